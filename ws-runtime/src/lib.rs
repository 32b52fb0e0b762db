//! Typed realtime sessions over WebSocket: one pure session for both sides, a server and a client.
//!
//! The enums and derives are in `ws-proto`. Here, [`Server`] and [`Client`] are made of them;
//! [`session`] is the conversation itself, without I/O; [`testing`] connects the two without
//! sockets. `docs/protocol.md` is the specification.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;
#[cfg(all(feature = "client", feature = "server"))]
pub mod testing;
pub mod session;
pub mod hub;
pub mod results;
pub mod transport;
#[cfg(feature = "net")]
mod answering;
#[cfg(feature = "net")]
mod asking;
#[cfg(feature = "net")]
mod driver;
#[cfg(feature = "net")]
mod wakers;

#[cfg(feature = "net")]
pub use asking::CallError;
#[cfg(feature = "client")]
pub use client::{Client, ConnState, Gap};
#[cfg(feature = "server")]
pub use server::{Server, ServerConfig};
pub use session::Outcome;
