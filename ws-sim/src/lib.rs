//! The deterministic simulation of the session and the hub of `ws-runtime`.
//!
//! One seed is one run: up to three clients, a node with one hub, a link for every connection, and
//! a clock that jumps. The seed draws the limits, the formats, the work and the faults. Faults end,
//! everything has to recover, everybody leaves, and nothing may be left.
//! See `README.md` for what a run shows and what it does not.

mod base;
mod client;
mod contract;
mod net;
mod node;
mod oracle;
mod paying;
mod probe;
mod seat;
mod shrink;
mod tap;
mod world;

pub use base::Counts;
pub use oracle::Broken;

use std::collections::BTreeSet;
use world::World;

/// What came of one run.
#[derive(Debug)]
pub struct Run {
    /// The hash of all that happened: the same for the same seed.
    pub hash: u64,
    /// Steps taken.
    pub steps: u64,
    /// How often each branch with a name was taken.
    pub counts: Counts,
    /// The first invariant that did not hold, if any.
    pub broken: Option<Broken>,
    /// What happened, if that was asked for.
    pub lines: Vec<String>,
}

/// Branches that a large number of runs has to take.
pub const BRANCHES: &[&str] = &[
    "resumed",
    "new_session",
    "not_resumed",
    "take_over",
    "heartbeat_missed",
    "too_slow",
    "drained",
    "hello_refused",
    "restart",
    "stall",
    "one_way",
    "black_hole",
    "half_open",
    "cut",
    "server_notices",
    "subscribed",
    "recovered",
    "not_recovered",
    "not_subscribed",
    "subscription_ended",
    "revoked_on_resume",
    "gap",
    "slow_gap",
    "window_full",
    "event",
    "kept_batch",
    "passing_batch",
    "duplicate_publish",
    "ok",
    "published",
    "timeout",
    "timeout_not_sent",
    "lost",
    "refused",
    "withdrawn",
    "fault",
    "item",
    "stopped",
    "no_room",
    "key_is_new",
    "key_is_under_way",
    "key_is_known",
    "key_of_another",
    "no_room_for_keys",
    "no_ttl",
    "renewed",
    "not_renewed",
    "expired",
    "part",
    "uploaded",
];

/// Runs one seed; with lines, tells what happened in words.
#[must_use]
pub fn run(seed: u64, with_lines: bool) -> Run {
    run_without(seed, &BTreeSet::new(), with_lines)
}

/// Runs one seed in which nobody acts at these steps.
#[must_use]
pub fn run_without(seed: u64, without: &BTreeSet<u64>, with_lines: bool) -> Run {
    let mut world = World::new(seed, without.clone(), with_lines);
    let broken = world.run().err();
    let (hash, lines) = world.base.trace.end();
    Run { hash, steps: world.step, counts: world.base.counts, broken, lines }
}

/// The steps that a failure does not need.
#[must_use]
pub fn shrink(seed: u64, found: &Run) -> BTreeSet<u64> {
    let Some(broken) = &found.broken else { return BTreeSet::new() };
    let still_fails = |without: &BTreeSet<u64>| {
        let again = run_without(seed, without, false).broken;
        again.is_some_and(|again| again.invariant == broken.invariant)
    };
    shrink::needless(found.steps, still_fails)
}
