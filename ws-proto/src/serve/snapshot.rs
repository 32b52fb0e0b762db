//! What makes the snapshots of channels (`docs/protocol.md`, section 8).

use super::{Authenticate, Caller};
use crate::{
    fault::Fault,
    message::{ChannelSet, HasSnapshot, NoChannels},
    raw::Raw,
};

/// Makes the snapshot of one kind of channel: the state that a subscriber starts from. Mandatory
/// for each channel declared `snapshot = ..`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make the snapshot of the channel `{C}`",
    label = "no `Snapshot<{C}>` for this type",
    note = "add `impl Snapshot<{C}> for {Self}`: its `async fn snapshot` gives the state of a `{C}`"
)]
pub trait Snapshot<C: HasSnapshot>: Authenticate {
    /// Reads the state. Asked after the authorization, for a subscriber whose place in the channel
    /// is fixed already: an event that is published meanwhile follows, whether or not the state
    /// shows it. So an event changes the state first and is published then.
    ///
    /// A fault refuses the subscription. So does a state that is larger than one message may be:
    /// give less, and let the client ask for the rest with requests.
    fn snapshot(
        &self,
        caller: &Caller<'_, Self::Principal>,
        channel: &C,
    ) -> impl Future<Output = Result<C::State, Fault>> + Send;
}

/// "`App` makes every snapshot of these channels." Implemented by `#[derive(Channels)]` for every
/// type that implements [`Snapshot`] for each channel that has one.
#[diagnostic::on_unimplemented(
    message = "`{App}` does not make the snapshots of `{Self}`",
    label = "no snapshots of these channels",
    note = "put `#[derive(Channels)]` on `{Self}`, and implement `Snapshot` for each channel \
            declared `snapshot = ..`"
)]
pub trait Snapshots<App: Authenticate>: ChannelSet {
    /// The encoded snapshot of this channel.
    #[doc(hidden)]
    fn snapshot(
        self,
        app: &App,
        caller: &Caller<'_, App::Principal>,
    ) -> impl Future<Output = Result<Raw, Fault>> + Send;
}

impl<App: Authenticate> Snapshots<App> for NoChannels {
    async fn snapshot(self, _: &App, _: &Caller<'_, App::Principal>) -> Result<Raw, Fault> {
        match self {}
    }
}
