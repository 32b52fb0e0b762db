//! How two sessions of the protocol `chat` begin, without a server around them.

use std::time::Duration;
use ws_proto::{Format, Raw, Secret, VersionRange, frame::Hello};
use ws_runtime::session::Acceptance;

pub(crate) fn hello() -> Hello {
    Hello::new("chat", VersionRange::new(1, 1))
}

pub(crate) fn acceptance() -> Acceptance {
    Acceptance {
        session: "session".to_owned(),
        ticket: Secret::new("ticket"),
        ttl: Duration::from_secs(120),
        node: "node".to_owned(),
        not_resumed: None,
        expires_in: None,
    }
}

pub(crate) fn null() -> Raw {
    Raw::null(Format::Json)
}
