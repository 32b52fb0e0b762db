//! Typed realtime sessions.
