//! The tests that share one program: what they use of the crate, and what they stand on, is built
//! once for all of them. A program of its own has who counts its memory, its files or its time.
#![cfg(all(feature = "client", feature = "server"))]

mod bounds;
mod byte_cuts;
#[path = "callbacks/main.rs"]
mod callbacks;
mod dedup;
mod end_to_end;
mod faults;
mod fleet;
mod guests;
mod keeping;
mod latency;
mod latest;
mod liveness;
#[cfg(feature = "inspect")]
#[path = "looking/main.rs"]
mod looking;
mod lost_welcome;
mod manual_acks;
mod one_flight;
mod openings;
mod refused_upgrades;
#[path = "renewing/main.rs"]
mod renewing;
mod resume;
mod round_trips;
mod session_rules;
mod sent_again;
mod sessions;
mod snapshots;
mod stalls;
mod transport;
mod transport_hostile;
mod transport_http;
mod transport_plain;
mod transport_upgrade;
mod unread_welcomes;
mod uploads;

// What they stand on.
#[path = "support/frames.rs"]
mod frames;
#[path = "support/greeting.rs"]
mod greeting;
#[path = "support/hand.rs"]
mod hand;
#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/peer.rs"]
#[expect(dead_code, reason = "a peer can do more than be taken in")]
mod peer;
#[path = "support/scissors.rs"]
mod scissors;
mod session_pair;
#[path = "support/speaker.rs"]
mod speaker;
#[path = "support/steps.rs"]
mod steps;
mod support;
mod transcript;
