//! `wsp connect` and `wsp bench` against the real chat: in a pipe, at a terminal, with lost
//! connections, and as the documentation shows them.

mod bench;
mod connect;
mod places;
mod shown;
#[cfg(unix)]
mod terminal;
