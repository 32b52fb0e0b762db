//! The conformance contract (`docs/conformance.md`): a small protocol that has one of everything.
//!
//! [`protocol`] is what is said, [`App`] the reference server behind it. `conformance-server`
//! listens; `conformance-testee` is the Rust client that obeys the orders of the runner.

mod app;
pub mod protocol;

pub use app::{App, server};
