//! The main example: a chat with rooms, a web page and a terminal client. `cargo run -p chat`
//!
//! [`protocol`] is what is said, [`server`] makes the server that says it, [`web`] mounts it beside
//! a page, and [`terminal`] is a client. Any name of 1 to 32 characters is taken as the token:
//! this is a demonstration, and everybody is who they say they are.

mod app;
mod house;
pub mod protocol;
pub mod terminal;
pub mod web;

pub use app::{App, Guest, server};
