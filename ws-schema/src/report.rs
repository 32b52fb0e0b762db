//! What a comparison found.

use crate::{
    accept::Accepted,
    rule::{Level, Rule},
};
use serde_json::{Value, json};
use std::fmt;

/// Which side sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    /// Clients send it.
    Client,
    /// Servers send it.
    Server,
}

impl Sender {
    /// Its word: `client` or `server`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// One change that somebody should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What kind of change it is.
    pub rule: Rule,
    /// Where: `Join.room` is the field `room` of the definition `Join`, `requests.join` and
    /// `channels.room.events.said` are entries of the document's tables.
    pub path: String,
    /// Who sends what changed.
    pub sender: Sender,
    /// The `type` of each message in which it travels; empty for an entry of a table.
    pub messages: Vec<String>,
    /// What breaks, and for whom. One or more sentences.
    pub breaks: String,
    /// What to do about it. One or more sentences; empty where there is nothing to do.
    pub remedy: String,
}

/// What came of a comparison, in one word. The number is the exit code of `wsp schema check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 0: nothing of the level that was asked for.
    Compatible,
    /// 1: at least one change of that level or a worse one, which nobody accepted.
    Breaking,
    /// 2: something could not be compared, so nothing is known about it.
    NotCompared,
}

impl Outcome {
    /// The exit code of the command.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Compatible => 0,
            Self::Breaking => 1,
            Self::NotCompared => 2,
        }
    }
}

/// The changes between two contracts, and what could not be compared.
///
/// `Display` is text for people, [`Report::to_json`] for programs, [`Report::to_github`] for the
/// annotations of GitHub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a report that nobody looks at finds nothing"]
pub struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) accepted: Vec<Finding>,
    pub(crate) stale: Vec<String>,
    pub(crate) not_compared: Vec<String>,
}

impl Report {
    /// The changes that nobody accepted, the worst first.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The changes that were accepted.
    #[must_use]
    pub fn accepted(&self) -> &[Finding] {
        &self.accepted
    }

    /// Entries of the file of accepted changes that accept nothing: `RULE path`.
    #[must_use]
    pub fn stale(&self) -> &[String] {
        &self.stale
    }

    /// What could not be compared: one sentence each, with the place.
    #[must_use]
    pub fn not_compared(&self) -> &[String] {
        &self.not_compared
    }

    /// What came of it, where changes of `level` and worse ones count as breaking.
    ///
    /// What could not be compared wins over everything: nobody knows what it hides.
    #[must_use]
    pub fn outcome(&self, level: Level) -> Outcome {
        if !self.not_compared.is_empty() {
            Outcome::NotCompared
        } else if self.findings.iter().any(|finding| finding.level >= level) {
            Outcome::Breaking
        } else {
            Outcome::Compatible
        }
    }

    /// Moves the changes that a file accepts out of the findings.
    pub fn accept(mut self, accepted: &Accepted) -> Self {
        let findings = std::mem::take(&mut self.findings);
        let (yes, no) = findings.into_iter().partition(|finding| accepted.has(finding));
        self.findings = no;
        self.accepted.extend::<Vec<_>>(yes);
        self.stale.extend(accepted.stale(&self.accepted));
        self
    }

    /// The report as an object with `findings`, `accepted`, `stale` and `not_compared`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let list = |list: &[Finding]| list.iter().map(Finding::to_json).collect::<Vec<_>>();
        json!({
            "findings": list(&self.findings),
            "accepted": list(&self.accepted),
            "stale": self.stale,
            "not_compared": self.not_compared,
        })
    }

    /// One workflow command of GitHub per line: an error for what breaks on the wire or could not
    /// be compared, a warning for a risk, a notice for the rest. `file` is what they point at.
    #[must_use]
    pub fn to_github(&self, file: &str) -> String {
        let file = escaped(file).replace(':', "%3A").replace(',', "%2C");
        let mut lines = vec![];
        for place in &self.not_compared {
            lines.push(format!("::error file={file},title=NOT_COMPARED::{}", escaped(place)));
        }
        for finding in &self.findings {
            let kind = match finding.level {
                Level::Wire => "error",
                Level::Risk => "warning",
                Level::Source => "notice",
            };
            let text = format!("{} {}: {}", finding.level, finding.path, finding.text());
            let text = escaped(&text);
            lines.push(format!("::{kind} file={file},title={}::{text}", finding.rule));
        }
        lines.join("\n")
    }

    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            b.level.cmp(&a.level).then_with(|| (&a.path, a.rule).cmp(&(&b.path, b.rule)))
        });
        self.not_compared.sort();
        self.not_compared.dedup();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in &self.not_compared {
            writeln!(f, "not compared: {place}")?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        for finding in &self.accepted {
            writeln!(f, "accepted {} {}", finding.rule, finding.path)?;
        }
        for entry in &self.stale {
            writeln!(f, "accepted, but not found: {entry}")?;
        }
        let count = |level| self.findings.iter().filter(|finding| finding.level == level).count();
        let (wire, risk, source) = (count(Level::Wire), count(Level::Risk), count(Level::Source));
        write!(f, "{wire} wire, {risk} risk, {source} source")?;
        match self.not_compared.len() {
            0 => Ok(()),
            places => write!(f, "; {places} not compared"),
        }
    }
}

impl Finding {
    /// What breaks for whom, and what to do.
    #[must_use]
    pub fn text(&self) -> String {
        let space = if self.remedy.is_empty() { "" } else { " " };
        format!("{}{space}{}", self.breaks, self.remedy)
    }

    fn to_json(&self) -> Value {
        json!({
            "level": self.level.name(),
            "rule": self.rule.id(),
            "path": self.path,
            "sender": self.sender.name(),
            "messages": self.messages,
            "breaks": self.breaks,
            "remedy": self.remedy,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.level, self.rule, self.path)?;
        if !self.messages.is_empty() {
            write!(f, " (from {}s, in {})", self.sender.name(), self.messages.join(", "))?;
        }
        write!(f, "\n    {}", self.text())
    }
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}
