//! What a load came to, for people and for programs.

use super::{generator::Effort, tally::Tally};
use crate::documents::{self, Failure};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write as _, time::Duration};
use ws_proto::Format;

/// Quantiles of the latency, by the names that they have in JSON.
const QUANTILES: [(&str, &str, f64); 4] =
    [("p50", "p50", 0.5), ("p90", "p90", 0.9), ("p99", "p99", 0.99), ("p99.9", "p99_9", 0.999)];
/// How near to the rate that the server allows is at it.
const AT_RATE: f64 = 0.9;

/// Some had no success.
const NOT_OK: u8 = 1;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) connections: u32,
    pub(super) in_flight: Option<u32>,
    pub(super) rate: Option<f64>,
    pub(super) format: Format,
    pub(super) has_calls: bool,
    pub(super) has_channels: bool,
}

#[derive(Debug)]
pub(super) struct Report {
    pub(super) asked: Asked,
    /// How long it was asked.
    pub(super) window: Duration,
    pub(super) tally: Tally,
    pub(super) generator: Effort,
    /// Messages a second that the server takes, of each connection that asks.
    pub(super) paces: Vec<u32>,
    /// Somebody ended it.
    pub(super) is_cut: bool,
}

impl Report {
    /// Prints it, and warnings to the standard error.
    pub(super) fn print(&self, is_json: bool) -> Result<(), Failure> {
        for warning in self.warnings() {
            eprintln!("wsp: {warning}");
        }
        let text = if is_json { format!("{}\n", self.to_json()) } else { self.to_text() };
        documents::write(None, &text)
    }

    pub(super) fn exit_code(&self) -> u8 {
        let tally = &self.tally;
        // Who interrupts knows that answers are missing.
        let is_short = tally.unanswered > 0 && !self.is_cut;
        if tally.failed() > 0 || is_short || !tally.ended.is_empty() { NOT_OK } else { 0 }
    }

    fn per_s(&self, n: u64) -> f64 {
        // Beyond 2^53 nobody counts.
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let n = n as f64;
        n / self.window.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Successful answers each second, while it was asked.
    fn rate(&self) -> f64 {
        let failed = self.tally.failed();
        self.per_s((self.tally.ok + failed).saturating_sub(self.tally.settled))
    }

    fn warnings(&self) -> Vec<String> {
        let mut all: Vec<String> = self.generator.warning().into_iter().collect();
        let allowed: f64 = self.paces.iter().copied().map(f64::from).sum();
        if self.tally.asked > 0 && self.per_s(self.tally.asked) > AT_RATE * allowed {
            let each = self.paces.iter().max().copied().unwrap_or_default();
            all.push(format!(
                "the server takes {each} messages a second of each connection, and the session \
                 keeps to it: more connections show more of the server"
            ));
        }
        if self.tally.unsent > 0 {
            all.push(format!(
                "{} requests were due and could not be asked: the rate is more than the server \
                 answers, and the latencies are those of the others",
                self.tally.unsent
            ));
        }
        all
    }

    fn to_json(&self) -> Value {
        let Self { asked, tally, generator, .. } = self;
        json!({
            "seconds": rounded(self.window.as_secs_f64()),
            "connections": asked.connections,
            "format": asked.format.subprotocol(),
            "model": if asked.rate.is_some() { "open" } else { "closed" },
            "in_flight": asked.in_flight,
            "rate": asked.rate,
            "calls": {
                "asked": tally.asked,
                "ok": tally.ok,
                "errors": tally.errors,
                "unanswered": tally.unanswered,
                "unsent": tally.unsent,
                "answered_per_s": rounded(self.rate()),
            },
            "latency_ms": self.latency(),
            "items": tally.items,
            "events": {
                "received": tally.events,
                "per_s": rounded(self.per_s(tally.events)),
                "gaps": tally.gaps,
            },
            "bytes": { "sent": tally.sent, "received": tally.received },
            "lost": tally.lost,
            "reconnects": tally.back,
            "ended": tally.ended,
            "generator": {
                "busy_cores": generator.busy.map(rounded),
                "cores": generator.cores,
                "late_ms": millis(generator.late),
            },
            "interrupted": self.is_cut,
            "warnings": self.warnings(),
        })
    }

    /// In milliseconds; `null` without a success.
    fn latency(&self) -> Value {
        let latency = &self.tally.latency;
        if latency.is_empty() {
            return Value::Null;
        }
        let of = |nanos: u64| json!(millis(Duration::from_nanos(nanos)));
        let mut all: BTreeMap<&str, Value> = BTreeMap::new();
        for (_, name, quantile) in QUANTILES {
            all.insert(name, of(latency.value_at_quantile(quantile)));
        }
        all.insert("max", of(latency.max()));
        json!(all)
    }

    fn to_text(&self) -> String {
        let Self { asked, tally, generator, .. } = self;
        let seconds = self.window.as_secs_f64();
        let mut text = format!("{seconds:.1} s, {} connections", asked.connections);
        let _ = match (asked.rate, asked.in_flight) {
            _ if !asked.has_calls => Ok(()),
            (Some(rate), _) => write!(text, ", {rate} requests due each second"),
            (None, many) => write!(text, ", {} in flight on each", many.unwrap_or(1)),
        };
        let _ = writeln!(text, ", {}", asked.format.subprotocol());
        let mut line = |name: &str, what: String| {
            let _ = writeln!(text, "  {name:<11}{what}");
        };
        if asked.has_calls {
            line("calls", format!("{} ok, {:.1} answered each second", tally.ok, self.rate()));
            line("latency", self.latency_text());
            line("errors", errors(&tally.errors));
            if tally.unanswered + tally.unsent > 0 {
                let unsent = tally.unsent;
                line("missing", format!("{} unanswered, {unsent} never asked", tally.unanswered));
            }
        }
        if tally.items > 0 {
            line("items", format!("{}, {:.1} each second", tally.items, self.per_s(tally.items)));
        }
        if asked.has_channels {
            let each = self.per_s(tally.events);
            line("events", format!("{}, {each:.1} each second, {} gaps", tally.events, tally.gaps));
        }
        line("bytes", format!("{} sent, {} received", tally.sent, tally.received));
        line("connection", format!("{} lost, {} back", tally.lost, tally.back));
        if !tally.ended.is_empty() {
            line("ended", errors(&tally.ended));
        }
        let busy = generator.busy.map_or_else(|| "?".to_owned(), |busy| format!("{busy:.2}"));
        let (cores, late) = (generator.cores, shown(generator.late));
        line("generator", format!("{busy} of {cores} cores busy, late by {late} (p99)"));
        text
    }

    fn latency_text(&self) -> String {
        let latency = &self.tally.latency;
        if latency.is_empty() {
            return "of no success".to_owned();
        }
        let of = |nanos: u64| shown(Duration::from_nanos(nanos));
        let quantiles = QUANTILES.map(|(name, _, quantile)| {
            format!("{name} {}", of(latency.value_at_quantile(quantile)))
        });
        format!("{}, max {}", quantiles.join(", "), of(latency.max()))
    }
}

fn errors(all: &BTreeMap<String, u64>) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    let all: Vec<_> = all.iter().map(|(name, n)| format!("{n} {name}")).collect();
    all.join(", ")
}

/// Milliseconds with their thousandths.
fn millis(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1000.0)
}

fn shown(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_runtime::session::{Outcome, Reply};

    fn report() -> Report {
        let asked = Asked {
            connections: 2,
            in_flight: None,
            rate: None,
            format: Format::Json,
            has_calls: true,
            has_channels: false,
        };
        let generator = Effort { busy: Some(0.1), cores: 2, late: Duration::from_millis(1) };
        let (window, paces) = (Duration::from_secs(2), vec![200, 200]);
        Report { asked, window, tally: Tally::new().unwrap(), generator, paces, is_cut: false }
    }

    #[test]
    fn a_load_at_the_rate_that_the_server_allows_says_so() {
        let mut report = report();
        report.tally.asked = 500;
        assert_eq!(report.warnings(), [""; 0]);
        report.tally.asked = 790;
        let said = report.warnings().join("; ");
        assert!(said.contains("the server takes 200 messages a second"), "{said}");
    }

    #[test]
    fn what_settles_after_the_load_is_not_in_its_rate() {
        let mut report = report();
        let ok = Reply::Ok(ws_proto::Raw::null(Format::Json));
        for n in 0..10 {
            report.tally.answered(&ok, Duration::from_millis(1), n >= 6);
        }
        assert_eq!(report.to_json()["calls"]["answered_per_s"], json!(3.0));
        assert_eq!(report.to_json()["calls"]["ok"], json!(10));
    }

    #[test]
    fn the_exit_code_is_that_of_errors_missing_answers_and_connections_that_ended() {
        assert_eq!(report().exit_code(), 0);
        let mut failed = report();
        let reply = Reply::Timeout(Outcome::Unknown);
        failed.tally.answered(&reply, Duration::ZERO, false);
        assert_eq!(failed.exit_code(), 1);
        let mut ended = report();
        ended.tally.ended("kicked".to_owned());
        assert_eq!(ended.exit_code(), 1);
        let mut short = report();
        short.tally.unanswered = 1;
        assert_eq!(short.exit_code(), 1);
        short.is_cut = true;
        assert_eq!(short.exit_code(), 0);
    }
}
