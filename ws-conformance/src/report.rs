//! What a run found.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What one case came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The subject did what the protocol says.
    Passed,
    /// It did not; the reason says what was expected, and what came.
    Failed,
    /// It was not played; the reason says why.
    Skipped,
}

/// One case and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The stable number, `6.3`; transcripts have the name of their page, `resume.md/2`.
    pub id: String,
    /// What the case is about.
    pub title: String,
    /// What it came to.
    pub result: Verdict,
    /// Why, where it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The section of `docs/protocol.md`.
    pub section: u32,
}

/// How many cases came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases that were not played.
    pub skipped: usize,
}

/// What a run found; as JSON it is the report of `wsp conformance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this document: 1.
    pub version: u32,
    /// What was judged: `server` or `client`.
    pub side: String,
    /// The server's URL, or the command of the client.
    pub subject: String,
    /// The wire format that was spoken.
    pub format: String,
    /// Each case, in the order of the pages.
    pub cases: Vec<CaseResult>,
    /// The sums.
    pub totals: Totals,
}

impl Report {
    /// A report of these cases.
    #[must_use]
    pub fn new(side: &str, subject: String, format: String, cases: Vec<CaseResult>) -> Self {
        let count = |verdict| cases.iter().filter(|case| case.result == verdict).count();
        let totals = Totals {
            passed: count(Verdict::Passed),
            failed: count(Verdict::Failed),
            skipped: count(Verdict::Skipped),
        };
        Self { version: 1, side: side.to_owned(), subject, format, cases, totals }
    }

    /// Whether something was played and nothing failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.totals.failed == 0 && self.totals.passed > 0
    }

    /// Why nothing could be judged, where no case got as far as a connection or a process.
    #[must_use]
    pub fn unreachable(&self) -> Option<&str> {
        let reason = |case: &'_ CaseResult| -> Option<bool> {
            let said = case.reason.as_deref()?;
            let nobody = said.contains("no connection to") || said.contains("does not start");
            Some(case.result == Verdict::Failed && nobody)
        };
        let mut played = self.cases.iter().filter(|case| case.result != Verdict::Skipped);
        let is_nobody =
            played.clone().next().is_some() && played.all(|case| reason(case).unwrap_or(false));
        let failed = self.cases.iter().find(|case| case.result == Verdict::Failed)?;
        is_nobody.then_some(failed.reason.as_deref()?.lines().last()?.trim())
    }

    /// The cases that failed, by id.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        let failed = self.cases.iter().filter(|case| case.result == Verdict::Failed);
        failed.map(|case| case.id.as_str())
    }
}

/// One line per case that did not pass, and the sums.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            let reason = case.reason.as_deref().unwrap_or_default();
            match case.result {
                Verdict::Passed => {}
                Verdict::Failed => {
                    let (id, section) = (&case.id, case.section);
                    writeln!(f, "FAILED {id} {} (section {section})\n  {reason}", case.title)?;
                }
                Verdict::Skipped => writeln!(f, "skipped {}: {reason}", case.id)?,
            }
        }
        let Totals { passed, failed, skipped } = self.totals;
        let (side, format) = (&self.side, &self.format);
        writeln!(f, "{side}, {format}: {passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(result: Verdict) -> CaseResult {
        let reason = Some("why".to_owned());
        CaseResult { id: "1.1".to_owned(), title: "one".to_owned(), result, reason, section: 1 }
    }

    fn report(results: &[Verdict]) -> Report {
        let cases = results.iter().copied().map(case).collect();
        Report::new("server", "ws://x".to_owned(), "json".to_owned(), cases)
    }

    #[test]
    fn a_run_in_which_nothing_was_played_is_not_good() {
        assert!(!report(&[Verdict::Skipped]).is_good());
        assert!(report(&[Verdict::Skipped, Verdict::Passed]).is_good());
        assert!(!report(&[Verdict::Passed, Verdict::Failed]).is_good());
    }

    #[test]
    fn the_report_is_read_as_it_is_written() {
        let report = report(&[Verdict::Passed, Verdict::Failed, Verdict::Skipped]);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        assert_eq!(report.totals, Totals { passed: 1, failed: 1, skipped: 1 });
    }
}
