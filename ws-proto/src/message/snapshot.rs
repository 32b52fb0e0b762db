//! Channels with a snapshot: a state that subscribers start from (`docs/protocol.md`, section 8).
//!
//! Whether a channel has one is a type too, so that asking for one that is not there does not
//! compile.

use super::{Never, Payload};
use std::marker::PhantomData;

/// A kind of channel with a snapshot. From `#[channel(snapshot = SomeState)]`.
#[diagnostic::on_unimplemented(
    message = "the channel `{Self}` has no snapshot",
    label = "declared without `snapshot = ..`",
    note = "put `snapshot = SomeState` into the `#[channel(..)]` of `{Self}`"
)]
pub trait HasSnapshot: Send + Sync + 'static {
    /// What a subscriber starts from.
    type State: Payload;
}

/// The snapshot of the channel `C`.
#[derive(Debug)]
pub struct Of<C>(PhantomData<fn() -> C>);

/// There is none.
#[derive(Debug)]
pub enum Absent {}

/// One of the two.
pub trait Mode: Send + Sync + 'static {
    /// What a subscriber starts from; a type without values where there is none.
    type State: Payload;
}
impl<C: HasSnapshot> Mode for Of<C> {
    type State = C::State;
}
impl Mode for Absent {
    type State = Never;
}

/// There is a snapshot.
#[diagnostic::on_unimplemented(
    message = "this channel has no snapshot",
    label = "declared without `snapshot = ..`",
    note = "declare it `#[channel(delivery = at_least_once, snapshot = SomeState)]` to get one"
)]
pub trait Present {}
impl<C: HasSnapshot> Present for Of<C> {}
