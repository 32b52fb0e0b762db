//! Who a connection belongs to (`docs/protocol.md`, section 11).

use std::time::Duration;

/// Who a connection belongs to, once authenticated.
pub trait Principal: Send + Sync + 'static {
    /// The identity, stable across connections: sessions and limits are bound to it.
    fn id(&self) -> String;

    /// For how long the credentials hold, from now on; asked once, right after
    /// [`Authenticate::authenticate`](super::Authenticate::authenticate). `None`, the default: they do not expire.
    ///
    /// The client is told, and brings others before that. While it has none, the connection goes
    /// on for a grace that the server configures, and is then closed with 4200.
    fn expires_in(&self) -> Option<Duration> {
        None
    }
}

impl Principal for () {
    fn id(&self) -> String {
        "anonymous".to_owned()
    }
}

impl Principal for String {
    fn id(&self) -> String {
        self.clone()
    }
}

impl Principal for u64 {
    fn id(&self) -> String {
        self.to_string()
    }
}

impl Principal for uuid::Uuid {
    fn id(&self) -> String {
        self.to_string()
    }
}
