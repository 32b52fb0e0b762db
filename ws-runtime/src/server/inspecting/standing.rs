//! What the page is told: the connections that it asks for, and the frames of one.

use super::{
    GONE, Inspector, millis,
    watching::{Entry, Facts},
};
use crate::{driver::Clock, server::Server, transport::upgrade::Refusal};
use serde_json::{Value, json};
use std::{cmp::Reverse, sync::Arc, sync::atomic::Ordering};
use tokio::time::Instant;
use ws_proto::Protocol;

/// Connections in one answer.
const ROWS: usize = 200;

/// Which connections a looker wants to see.
pub(super) struct Wanted {
    pub(super) order: Order,
    /// Part of an id, a principal or an address.
    pub(super) find: String,
}

/// Which come first, and are shown where not all can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// The newest.
    #[default]
    New,
    /// Those whose oldest unacknowledged message is the oldest.
    Lag,
    /// Those for whom most waits.
    Queue,
    /// Those who say most.
    In,
    /// Those who are told most.
    Out,
}

impl Order {
    /// The order of this name, or else the newest first.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "lag" => Self::Lag,
            "queue" => Self::Queue,
            "in" => Self::In,
            "out" => Self::Out,
            _ => Self::New,
        }
    }

    /// What is larger comes first.
    fn rank(self, facts: &Facts, now_ms: u64) -> u64 {
        let figures = facts.figures.unwrap_or_default();
        // Fractions of a byte decide nothing.
        #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
        #[expect(clippy::cast_sign_loss, reason = "a rate is not negative")]
        let rate = |way: usize| facts.rates.per_s.map_or(0, |rates| rates[way].1 as u64);
        match self {
            Self::New => 0,
            Self::Lag => figures.oldest_ts.map_or(0, |oldest| now_ms.saturating_sub(oldest)),
            Self::Queue => (figures.queued_bytes + figures.unacknowledged_bytes) as u64,
            Self::In => rate(0),
            Self::Out => rate(1),
        }
    }
}

impl<P: Protocol> Server<P> {
    /// The first of the connections that are wanted, and what is known about the server.
    pub(super) fn connections_as_json(
        &self,
        inspector: &Inspector,
        wanted: &Wanted,
        now: Instant,
    ) -> String {
        let entries: Vec<Arc<Entry>> = inspector.entries().values().cloned().collect();
        let now_ms = Clock::wall_ms();
        let mut found = Vec::new();
        for entry in &entries {
            let mut facts = entry.facts();
            let totals = facts.totals();
            facts.rates.measure(totals, now);
            if wanted.finds(entry.id.0, &facts) {
                found.push((Reverse(wanted.order.rank(&facts, now_ms)), Reverse(entry.id), entry));
            }
        }
        found.sort_unstable_by_key(|(rank, id, _)| (*rank, *id));
        let shown = found.iter().take(ROWS);
        let rows: Vec<Value> = shown.map(|(_, _, entry)| self.row(entry, now_ms, now)).collect();
        let lookers = inspector.lock_looks().lookers.len();
        let shared = &self.shared;
        json!({
            "at_ms": now_ms,
            "server": {
                "protocol": P::NAME,
                "version": P::VERSION,
                "node": shared.config.node,
                "is_draining": self.is_draining(),
                "connections": shared.seats.taken(),
                "max_connections": shared.config.max_connections,
                "without_connection": shared.waiting.load(Ordering::Relaxed),
                "lookers": lookers,
            },
            "known": entries.len(),
            "found": found.len(),
            "connections": rows,
        })
        .to_string()
    }

    /// The frames of a connection that a looker has not seen: `after` is the last number that it
    /// has, of the run that it names.
    pub(super) fn frames_as_json(
        &self,
        inspector: &Inspector,
        of: u64,
        (run, after): (Option<u64>, u64),
        now: Instant,
    ) -> Result<String, Refusal> {
        let tail = inspector.tail(of, now).ok_or(GONE)?;
        let after = if run == Some(tail.run) { after } else { 0 };
        let news = tail.news(after, &inspector.reader, now);
        let entry = inspector.entries().get(&of).cloned();
        let is_over = entry.is_none();
        let channels = entry.map(|entry| self.shared.hubs.standings(entry.id)).unwrap_or_default();
        let channels: Vec<Value> = channels
            .into_iter()
            .map(|(address, behind, unconsumed)| {
                let address = address.text();
                json!({ "address": &**address, "behind": behind, "unconsumed": unconsumed })
            })
            .collect();
        let mut answer = json!({
            "of": of,
            "run": tail.run,
            "last": news.last,
            "dropped": news.dropped,
            "is_over": is_over,
            "channels": channels,
        })
        .to_string();
        // The rows are JSON already.
        answer.pop();
        Ok(format!("{answer},\"frames\":[{}]}}", news.rows))
    }

    fn row(&self, entry: &Entry, now_ms: u64, now: Instant) -> Value {
        let channels = self.shared.hubs.standings(entry.id);
        let behind: u64 = channels.iter().map(|(_, behind, _)| *behind).sum();
        let unconsumed: u64 = channels.iter().map(|(_, _, unconsumed)| *unconsumed).sum();
        let facts = entry.facts();
        let kept = facts.kept_until.map(|until| until.saturating_duration_since(now));
        let state = match (&facts.principal, kept) {
            (None, _) => "arriving",
            (Some(_), None) => "connected",
            (Some(_), Some(_)) => "lost",
        };
        let mut row = json!({
            "id": entry.id.0,
            "principal": facts.principal,
            "remote": facts.traffic.remote,
            "client": facts.client,
            "version": facts.version,
            "format": facts.traffic.format.to_string(),
            "since_ms": facts.since_ms,
            "state": state,
            "kept_for_ms": kept.map(millis),
            "reconnects": facts.reconnects,
            "channels": channels.len(),
            "behind": behind,
            "unconsumed": unconsumed,
            "in": facts.way(0),
            "out": facts.way(1),
        });
        if let Some(figures) = facts.figures {
            row["queued"] = json!({ "messages": figures.queued, "bytes": figures.queued_bytes });
            row["unacknowledged"] = json!({
                "messages": figures.unacknowledged,
                "bytes": figures.unacknowledged_bytes,
                "oldest_ms": figures.oldest_ts.map(|oldest| now_ms.saturating_sub(oldest)),
            });
            row["requests"] = json!(figures.requests);
            row["calls"] = json!(figures.calls);
            row["round_trip_ms"] = json!(figures.round_trip.map(millis));
        }
        row
    }
}

impl Wanted {
    fn finds(&self, id: u64, facts: &Facts) -> bool {
        let find = &*self.find;
        let has = |text: String| text.contains(find);
        find.is_empty()
            || has(id.to_string())
            || facts.principal.as_ref().is_some_and(|it| it.contains(find))
            || facts.traffic.remote.is_some_and(|it| has(it.to_string()))
    }
}

impl Facts {
    fn way(&self, way: usize) -> Value {
        let totals = self.totals()[way];
        let tenths = |rate: f64| (rate * 10.0).round() / 10.0;
        let per_s = self.rates.per_s.map(|rates| rates[way]);
        json!({
            "messages": totals.messages,
            "bytes": totals.bytes,
            "messages_per_s": per_s.map(|(messages, _)| tenths(messages)),
            "bytes_per_s": per_s.map(|(_, bytes)| tenths(bytes)),
        })
    }
}
