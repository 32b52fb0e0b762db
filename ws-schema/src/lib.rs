//! The contract of a protocol over time and in other languages.
//!
//! A protocol's document ([`ws_proto::schema::document`]) is the contract with every peer that was
//! ever built from it. [`check`] compares an older one with a newer one and says what breaks, for
//! whom, and what to do; [`assert_compatible`] is the same as one line of a test.
//!
//! A change is judged by its direction. A request that gains a required field breaks old clients; a
//! reply that gains one breaks nobody, since unknown fields are ignored. [`Level`] says how bad a
//! change is, [`Rule`] what kind it is.
//!
//! What could not be compared never looks clean: [`Outcome::NotCompared`].

#![forbid(unsafe_code)]

mod accept;
mod asyncapi;
mod committed;
mod compare;
mod contract;
mod export;
mod lint;
mod names;
mod python;
mod python_typed;
mod report;
mod rule;
mod shape;
mod typescript;

pub use accept::{AcceptError, Accepted};
pub use asyncapi::asyncapi;
pub use committed::assert_compatible;
pub use compare::{Rollout, check, check_rollout};
pub use export::{Draft, in_draft, side};
pub use lint::lint;
pub use python::python;
pub use report::{Finding, Outcome, Report, Sender};
pub use rule::{Flow, Level, Rule};
pub use typescript::typescript;
