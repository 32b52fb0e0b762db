//! `docs/protocol.md` is true: its examples are what the codecs write, its tables and numbers are
//! those of the code.

mod examples;
mod page;
mod session;
mod tables;
