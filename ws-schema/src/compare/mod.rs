//! Two contracts, side by side.

mod tables;
mod types;
mod values;

use crate::{
    contract::Contract,
    report::{Finding, Report, Sender},
    rule::{Flow, Level, Rule},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Which side gets the new contract first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rollout {
    /// Servers: old clients talk to new servers.
    #[default]
    ServerFirst,
    /// Clients: new clients talk to old servers.
    ClientFirst,
    /// Nobody knows: both.
    AnyOrder,
}

impl Rollout {
    /// Who writes what somebody else reads, for the messages of one side.
    fn flows(self, sender: Sender) -> &'static [Flow] {
        match (self, sender) {
            (Self::AnyOrder, _) => &[Flow::OldToNew, Flow::NewToOld],
            (Self::ServerFirst, Sender::Client) | (Self::ClientFirst, Sender::Server) => {
                &[Flow::OldToNew]
            }
            (Self::ServerFirst, Sender::Server) | (Self::ClientFirst, Sender::Client) => {
                &[Flow::NewToOld]
            }
        }
    }
}

/// Compares two documents of [`ws_proto::schema::document`]; servers get the new one first.
///
/// ```
/// use serde_json::json;
/// use ws_schema::{Level, Outcome};
///
/// // What is no contract is not compared, which never looks clean.
/// let report = ws_schema::check(&json!({}), &json!({}));
/// assert_eq!(report.outcome(Level::Wire), Outcome::NotCompared);
/// ```
pub fn check(old: &Value, new: &Value) -> Report {
    check_rollout(old, new, Rollout::ServerFirst)
}

/// [`check`] for another order of deployment.
pub fn check_rollout(old: &Value, new: &Value, rollout: Rollout) -> Report {
    let mut report = Report::default();
    let mut read = |document, which| {
        Contract::read(document)
            .map_err(|problem| report.not_compared.push(format!("the {which} document: {problem}")))
            .ok()
    };
    let (old, new) = (read(old, "old"), read(new, "new"));
    let (Some(old), Some(new)) = (old, new) else { return report };
    if let Some(problem) = strangers(&old, &new) {
        report.not_compared.push(problem);
        return report;
    }
    let mut comparison = Comparison {
        old: &old,
        new: &new,
        rollout,
        found: BTreeMap::new(),
        not_compared: BTreeSet::new(),
    };
    comparison.tables();
    comparison.messages();
    comparison.into_report()
}

fn strangers(old: &Contract<'_>, new: &Contract<'_>) -> Option<String> {
    if old.name != new.name {
        return Some(format!(
            "the old document is of the protocol `{}`, the new one of `{}`",
            old.name, new.name
        ));
    }
    (new.version < old.version).then(|| {
        format!(
            "the new document is of version {}, the old one of {}: are the two exchanged?",
            new.version, old.version
        )
    })
}

/// A comparison under way.
struct Comparison<'a> {
    old: &'a Contract<'a>,
    new: &'a Contract<'a>,
    rollout: Rollout,
    /// A change is one finding, in however many messages it travels.
    found: BTreeMap<(Rule, String, Sender), Finding>,
    not_compared: BTreeSet<String>,
}

impl Comparison<'_> {
    fn messages(&mut self) {
        for (&(sender, kind), old) in &self.old.messages {
            let Some(new) = self.new.messages.get(&(sender, kind)) else {
                self.missing(kind);
                continue;
            };
            for &flow in self.rollout.flows(sender) {
                types::Walk::new(self, sender, kind, flow).message(old, new);
            }
        }
    }

    /// A message that is gone, which the tables have to have said.
    fn missing(&mut self, kind: &str) {
        let (name, rest) = kind.split_once('.').unwrap_or((kind, ""));
        let about = |path: &str| {
            let mut parts = path.split('.').skip(1);
            parts.next() == Some(name)
        };
        // A typed error that never comes breaks nobody.
        if rest != "err" && !self.found.values().any(|finding| about(&finding.path)) {
            let text = format!("the message `{kind}` is gone, and the tables do not say why");
            self.not_compared.insert(text);
        }
    }

    fn find(&mut self, mut finding: Finding) {
        let key = (finding.rule, finding.path.clone(), finding.sender);
        if let Some(known) = self.found.get_mut(&key) {
            for message in finding.messages {
                if !known.messages.contains(&message) {
                    known.messages.push(message);
                }
            }
            if finding.level > known.level {
                finding.messages = std::mem::take(&mut known.messages);
                *known = finding;
            }
        } else {
            self.found.insert(key, finding);
        }
    }

    fn into_report(mut self) -> Report {
        if self.new.min_version > self.old.version {
            self.refused();
        }
        let mut report = Report {
            findings: self.found.into_values().collect(),
            not_compared: self.not_compared.into_iter().collect(),
            ..Report::default()
        };
        report.sort();
        report
    }

    /// No peer of the old contract gets past the handshake, so nothing that it says or hears can
    /// break it; that it is refused is what remains to be known.
    fn refused(&mut self) {
        for finding in self.found.values_mut() {
            finding.level = Level::Source;
        }
        let (old, least) = (self.old.version, self.new.min_version);
        self.find(Finding {
            level: Level::Risk,
            rule: Rule::VersionRefused,
            path: "min_version".to_owned(),
            sender: Sender::Client,
            messages: vec![],
            breaks: format!(
                "Peers of the old contract speak version {old} and lower, and the new one begins \
                 at {least}: the handshake refuses them."
            ),
            remedy: "Where such peers are still in use, keep their version until they are gone."
                .to_owned(),
        });
    }
}
