//! What is counted, for some connections or for all.

use crate::documents::Failure;
use hdrhistogram::Histogram;
use std::{collections::BTreeMap, time::Duration};
use ws_runtime::session::{Outcome, Reply};

/// Significant digits of a latency.
const DIGITS: u8 = 3;
/// Kinds of errors that are told apart.
const KINDS: usize = 32;
/// Characters of a typed error that are shown.
const SHOWN: usize = 60;

#[derive(Debug)]
pub(super) struct Tally {
    /// Of successful answers, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    pub(super) asked: u64,
    pub(super) ok: u64,
    /// Answers of either kind that came after the load was over.
    pub(super) settled: u64,
    pub(super) errors: BTreeMap<String, u64>,
    /// Asked, and neither answered nor given up.
    pub(super) unanswered: u64,
    /// Open model: due, and never asked.
    pub(super) unsent: u64,
    pub(super) items: u64,
    pub(super) events: u64,
    pub(super) gaps: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) back: u64,
    /// Connections that ended for good, by the reason.
    pub(super) ended: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self {
            latency: histogram()?,
            asked: 0,
            ok: 0,
            settled: 0,
            errors: BTreeMap::new(),
            unanswered: 0,
            unsent: 0,
            items: 0,
            events: 0,
            gaps: 0,
            sent: 0,
            received: 0,
            lost: 0,
            back: 0,
            ended: BTreeMap::new(),
        })
    }

    /// One call has its outcome, so long after it was due.
    pub(super) fn answered(&mut self, reply: &Reply, after: Duration, is_over: bool) {
        self.settled += u64::from(is_over);
        let error = match reply {
            Reply::Ok(_) | Reply::Published(_) => {
                self.ok += 1;
                record(&mut self.latency, after);
                return;
            }
            Reply::Err(payload) => {
                let text = payload.decode::<serde_json::Value>();
                let text = text.map_or_else(|error| error.to_string(), |text| text.to_string());
                format!("err {}", text.chars().take(SHOWN).collect::<String>())
            }
            Reply::Fault(fault, Outcome::NotSent) => format!("fault {}, not sent", fault.code),
            Reply::Fault(fault, _) => format!("fault {}", fault.code),
            Reply::Timeout(_) => "no answer in time".to_owned(),
            Reply::Lost(_) => "session lost".to_owned(),
            Reply::Unsupported { .. } => "not in this version".to_owned(),
        };
        count(&mut self.errors, error, 1);
    }

    pub(super) fn ended(&mut self, why: String) {
        count(&mut self.ended, why, 1);
    }

    /// Calls that had another outcome than success.
    pub(super) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    pub(super) fn add(&mut self, other: &Self) -> Result<(), Failure> {
        let added = self.latency.add(&other.latency);
        added.map_err(|error| Failure::Live(error.to_string()))?;
        let mine = [
            (&mut self.asked, other.asked),
            (&mut self.ok, other.ok),
            (&mut self.settled, other.settled),
            (&mut self.unanswered, other.unanswered),
            (&mut self.unsent, other.unsent),
            (&mut self.items, other.items),
            (&mut self.events, other.events),
            (&mut self.gaps, other.gaps),
            (&mut self.sent, other.sent),
            (&mut self.received, other.received),
            (&mut self.lost, other.lost),
            (&mut self.back, other.back),
        ];
        for (mine, other) in mine {
            *mine += other;
        }
        for (error, n) in &other.errors {
            count(&mut self.errors, error.clone(), *n);
        }
        for (why, n) in &other.ended {
            count(&mut self.ended, why.clone(), *n);
        }
        Ok(())
    }
}

/// Nanoseconds, as large as they come.
pub(super) fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new(DIGITS).map_err(|error| Failure::Live(error.to_string()))
}

pub(super) fn record(histogram: &mut Histogram<u64>, duration: Duration) {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    // One that grows takes every number.
    let _ = histogram.record(nanos);
}

/// Counts by name, up to so many names: a server that makes up errors fills no memory.
fn count(all: &mut BTreeMap<String, u64>, name: String, n: u64) {
    let is_known = all.contains_key(&name) || all.len() < KINDS;
    *all.entry(if is_known { name } else { "others".to_owned() }).or_default() += n;
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_proto::{Fault, Format, Raw};

    fn err(value: &str) -> Reply {
        Reply::Err(Raw::encode(Format::Json, value).unwrap())
    }

    #[test]
    fn errors_are_counted_by_their_code_and_latencies_are_those_of_successes() {
        let mut tally = Tally::new().unwrap();
        let ok = Reply::Ok(Raw::null(Format::Json));
        tally.answered(&ok, Duration::from_millis(2), false);
        tally.answered(&err("not_a_member"), Duration::from_secs(9), false);
        let fault = Reply::Fault(Fault::forbidden("no"), Outcome::Processed);
        tally.answered(&fault, Duration::from_secs(9), true);
        tally.answered(&Reply::Timeout(Outcome::Unknown), Duration::from_secs(9), true);
        let mut all = Tally::new().unwrap();
        all.add(&tally).unwrap();
        all.add(&tally).unwrap();
        let errors: Vec<_> = all.errors.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        let wanted =
            [("err \"not_a_member\"", 2), ("fault forbidden", 2), ("no answer in time", 2)];
        assert_eq!(errors, wanted);
        assert_eq!((all.ok, all.settled, all.latency.len()), (2, 4, 2));
        let worst = Duration::from_nanos(all.latency.max());
        let near = Duration::from_micros(1998)..Duration::from_micros(2002);
        assert!(near.contains(&worst), "{worst:?}");
    }

    #[test]
    fn a_server_that_makes_up_errors_fills_no_memory() {
        let mut tally = Tally::new().unwrap();
        for n in 0..1000 {
            tally.answered(&err(&n.to_string()), Duration::ZERO, false);
        }
        assert_eq!(tally.errors.len(), KINDS + 1);
        assert_eq!(tally.failed(), 1000);
    }
}
