//! Channels: what can be subscribed to (`docs/protocol.md`, section 8).

use super::{
    SchemaFn,
    event::{EncodedEvent, EventSet, EventSpec},
    snapshot,
};
use crate::{
    address::{Address, AddressError},
    codec::DecodeError,
    raw::Raw,
};

/// Facts about one kind of channel, from its variant and `#[channel(..)]`.
#[derive(Clone, Copy, Debug)]
pub struct ChannelSpec {
    /// What stands before the first `/` of the address.
    pub kind: &'static str,
    /// The names of the address fields, in order.
    pub fields: &'static [&'static str],
    /// The variant's documentation.
    pub doc: &'static str,
    /// The first version that has it.
    pub since: u32,
    /// The first version that no longer has it.
    pub removed: Option<u32>,
    /// The note of `#[deprecated]`.
    pub deprecated: Option<&'static str>,
    /// What is promised about its events.
    pub delivery: Delivery,
    /// How many events the log keeps; at least 1 where delivery is at least once.
    pub history: u32,
    /// How many bytes of events it keeps, counted by [`Publication::size`]; all that `history`
    /// allows without it. An event larger than this alone is kept, alone.
    ///
    /// [`Publication::size`]: crate::Publication::size
    pub history_bytes: Option<u32>,
    /// For how many seconds it keeps an event; as long as there is room without it.
    pub history_secs: Option<u32>,
    /// Whether a newer value takes the place of an older one that still waits for a slow
    /// connection; only where delivery is best effort.
    pub latest: bool,
    /// Whether clients may publish to it.
    pub client_publish: bool,
    /// Makes the schema of its snapshot, on a channel that has one.
    pub snapshot: Option<SchemaFn>,
    /// The events it carries.
    pub events: &'static [EventSpec],
}

impl ChannelSpec {
    /// Bytes that keeping an event takes besides its own.
    const OVERHEAD: usize = 1024;

    /// Bytes that the log of one channel of this kind may cost a server at most; 0 where delivery
    /// is best effort. An event has up to `max_frame` bytes, and is kept in both formats.
    #[must_use]
    pub const fn worst_case_log(&self, max_frame: usize) -> usize {
        if matches!(self.delivery, Delivery::BestEffort) {
            return 0;
        }
        let events = self.history as usize;
        let largest = events.saturating_mul(max_frame);
        let bytes = match self.history_bytes {
            // One event may be larger alone.
            Some(bytes) if (bytes as usize) < max_frame => max_frame,
            Some(bytes) if (bytes as usize) < largest => bytes as usize,
            Some(_) | None => largest,
        };
        bytes.saturating_mul(2).saturating_add(events.saturating_mul(Self::OVERHEAD))
    }
}

/// What is promised about the events of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Positions, acknowledgements, replay: nothing is lost without a gap that says so.
    AtLeastOnce,
    /// No positions; the oldest are dropped when the connection is behind.
    BestEffort,
}

impl Delivery {
    /// The word of the attribute and the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least_once",
            Self::BestEffort => "best_effort",
        }
    }
}

/// Delivery as a type, so that what a channel does not have does not compile.
pub mod delivery {
    use super::Delivery;

    /// Positions, acknowledgements, replay.
    #[derive(Debug)]
    pub enum AtLeastOnce {}
    /// No positions; the oldest are dropped when the connection is behind.
    #[derive(Debug)]
    pub enum BestEffort {}

    /// One of the two.
    pub trait Mode: Send + Sync + 'static {
        /// The same as a value.
        const DELIVERY: Delivery;
    }
    impl Mode for AtLeastOnce {
        const DELIVERY: Delivery = Delivery::AtLeastOnce;
    }
    impl Mode for BestEffort {
        const DELIVERY: Delivery = Delivery::BestEffort;
    }

    /// Events are acknowledged.
    #[diagnostic::on_unimplemented(
        message = "this channel is best-effort: there is nothing to acknowledge",
        label = "declared `delivery = best_effort`",
        note = "declare it `#[channel(delivery = at_least_once)]` to get acknowledgements"
    )]
    pub trait Acked {}
    impl Acked for AtLeastOnce {}
}

/// The channels of a protocol; a value is an address. Implemented by `#[derive(Channels)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a channel enum",
    label = "not a channel enum",
    note = "put `#[derive(Channels)]` on `{Self}`"
)]
pub trait ChannelSet: Sized + Send + Sync + 'static {
    /// One entry per variant, in the order of declaration.
    const SPECS: &'static [ChannelSpec];

    /// The entry of this value's variant.
    fn spec(&self) -> &'static ChannelSpec;

    /// The address of this value.
    ///
    /// # Errors
    ///
    /// [`AddressError::TooLong`].
    fn address(&self) -> Result<Address, AddressError>;

    /// The value of an address.
    ///
    /// # Errors
    ///
    /// When no channel has this kind or these fields, or the fields are spelled differently.
    fn parse(address: &Address) -> Result<Self, AddressError>;

    /// Decodes and re-encodes an event that a client publishes to this channel: what enters the
    /// log is what the type says. `kind` is the second half of the `type`.
    ///
    /// # Errors
    ///
    /// When this channel has no such event, or the payload is not what its type says.
    fn check_event(&self, kind: &str, payload: &Raw) -> Result<EncodedEvent, DecodeError>;
}

/// "`Self` is the address of one kind of channel of `Set`." Implemented by `#[derive(Channels)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a channel of `{Set}`",
    label = "not a channel of `{Set}`",
    note = "add a variant to `{Set}`: `#[channel(event = .., delivery = ..)] {Self} {{ .. }}`"
)]
pub trait Channel<Set: ChannelSet>: Into<Set> + Send + 'static {
    /// What it carries.
    type Event: EventSet;
    /// What is promised about its events.
    type Delivery: delivery::Mode;
    /// Whether it has a snapshot, and of what type.
    type Snapshot: snapshot::Mode;
    /// The channel's kind.
    const KIND: &'static str;
}

/// Clients may publish to the channel. From `#[channel(publish = client)]`.
#[diagnostic::on_unimplemented(
    message = "clients may not publish to `{Self}`",
    label = "only the server publishes here",
    note = "put `#[channel(publish = client)]` on its variant in `{Set}` if they should"
)]
pub trait ClientPublish<Set: ChannelSet>: Channel<Set> {}

/// The channels of a protocol that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoChannels {}

impl ChannelSet for NoChannels {
    const SPECS: &'static [ChannelSpec] = &[];

    fn spec(&self) -> &'static ChannelSpec {
        match *self {}
    }

    fn address(&self) -> Result<Address, AddressError> {
        match *self {}
    }

    fn parse(_: &Address) -> Result<Self, AddressError> {
        Err(AddressError::UnknownKind)
    }

    fn check_event(&self, _: &str, _: &Raw) -> Result<EncodedEvent, DecodeError> {
        match *self {}
    }
}
