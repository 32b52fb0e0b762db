//! The line that ties the enums together.

use super::{ChannelSet, RequestSet};
use crate::version::VersionRange;

/// A protocol: its name, its versions, its requests, its channels and its callbacks. Implemented by
/// `#[derive(Protocol)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a protocol",
    label = "not a protocol",
    note = "put `#[derive(Protocol)]` and `#[protocol(name = .., version = ..)]` on `{Self}`"
)]
pub trait Protocol: Send + Sync + 'static {
    /// The name that both sides must agree on.
    const NAME: &'static str;
    /// The newest version spoken by this build.
    const VERSION: u32;
    /// The oldest one.
    const MIN_VERSION: u32;
    /// What clients may ask.
    type Requests: RequestSet;
    /// What they may subscribe to.
    type Channels: ChannelSet;
    /// What the server may ask them.
    type Callbacks: RequestSet;

    /// The versions spoken by this build.
    #[must_use]
    fn versions() -> VersionRange {
        VersionRange::new(Self::MIN_VERSION, Self::VERSION)
    }
}
