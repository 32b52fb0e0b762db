//! The file of changes that somebody decided to make all the same.

use crate::{report::Finding, rule::Rule};
use std::collections::BTreeSet;

/// Accepted changes. One per line: the rule, the path, and the reason, which must be there.
///
/// ```text
/// # Lines that start with `#` and empty lines say nothing.
/// MESSAGE_REMOVED requests.whisper  no client of the last year has sent it
/// ```
///
/// ```
/// let accepted = "FIELD_REMOVED Join.colour  never shown to anybody".parse::<ws_schema::Accepted>();
/// assert!(accepted.is_ok());
/// assert!("FIELD_REMOVED Join.colour".parse::<ws_schema::Accepted>().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    entries: BTreeSet<(Rule, String)>,
}

/// Why a file of accepted changes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct AcceptError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl Accepted {
    pub(crate) fn has(&self, finding: &Finding) -> bool {
        self.entries.contains(&(finding.rule, finding.path.clone()))
    }

    /// The entries that none of `findings` needs.
    pub(crate) fn stale(&self, findings: &[Finding]) -> Vec<String> {
        let used: BTreeSet<_> =
            findings.iter().map(|finding| (finding.rule, finding.path.clone())).collect();
        self.entries.difference(&used).map(|(rule, path)| format!("{rule} {path}")).collect()
    }
}

impl std::str::FromStr for Accepted {
    type Err = AcceptError;

    fn from_str(text: &str) -> Result<Self, AcceptError> {
        let mut entries = BTreeSet::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let entry = entry(line);
                entries.insert(entry.map_err(|problem| AcceptError { line: index + 1, problem })?);
            }
        }
        Ok(Self { entries })
    }
}

fn entry(line: &str) -> Result<(Rule, String), String> {
    let mut words = line.split_whitespace();
    let id = words.next().unwrap_or_default();
    let rule = Rule::of(id).ok_or_else(|| format!("`{id}` is no rule"))?;
    let path = words.next().ok_or("write `RULE path reason`: the path is missing")?;
    if words.next().is_none() {
        return Err(format!("say why `{id} {path}` is accepted: write `RULE path reason`"));
    }
    Ok((rule, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        text.parse::<Accepted>().unwrap_err().to_string()
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        assert_eq!(problem("# fine\n\nFIELD_GONE a b"), "line 3: `FIELD_GONE` is no rule");
        assert!(problem("FIELD_REMOVED").ends_with("the path is missing"));
        assert!(problem("FIELD_REMOVED Join.room").starts_with("line 1: say why"));
    }
}
