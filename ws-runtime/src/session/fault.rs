//! What the peer can do wrong with a connection, and the close code that says so.

use ws_proto::CloseCode;

/// The other side broke the protocol: the connection is closed. A fault of one message that leaves
/// the connection sound is answered instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// An `ack` above anything that was sent.
    #[error("acknowledged a frame that was never sent")]
    AckAboveSent,
    /// An acknowledged channel position above anything that was sent.
    #[error("acknowledged a channel position that was never sent")]
    ConsumedAboveSent,
    /// The message is not an envelope, or its payload is not what its type says.
    #[error("malformed message")]
    Malformed,
    /// A welcome that goes on with the session from a place where it cannot go on.
    #[error("the session cannot go on from the `recv` of the welcome")]
    CannotResume,
    /// A field that this type of frame needs is missing.
    #[error("a header field that this type needs is missing")]
    MissingField,
    /// A part of an upload beyond the credit, or after its end.
    #[error("a part of an upload beyond its credit")]
    NoCredit,
    /// The first frame was not a hello.
    #[error("the first frame must be `$hello`")]
    NoHello,
    /// Nothing was heard for interval and timeout.
    #[error("nothing was heard for too long")]
    Silent,
    /// More messages than the announced rate, for too long.
    #[error("more messages than the announced rate")]
    RateExceeded,
    /// A second hello.
    #[error("a second `$hello`")]
    SecondHello,
    /// A `seq` after the next one.
    #[error("a frame is missing before this `seq`")]
    SequenceGap,
    /// The hello or the welcome took too long.
    #[error("the handshake took too long")]
    SlowHandshake,
    /// Nothing that was written could be delivered for too long.
    #[error("nothing was read for too long")]
    TooSlow,
    /// A message larger than the announced limit.
    #[error("a message larger than the announced `max_frame`")]
    TooLarge,
    /// A frame that only the other side sends.
    #[error("a frame that only the other side sends")]
    WrongDirection,
    /// A text frame where binary was agreed, or the other way round.
    #[error("text where binary was agreed, or the other way round")]
    WrongFormat,
}

impl From<PeerFault> for CloseCode {
    fn from(fault: PeerFault) -> Self {
        match fault {
            PeerFault::AckAboveSent
            | PeerFault::ConsumedAboveSent
            | PeerFault::CannotResume
            | PeerFault::SequenceGap => Self::SEQUENCE_FAULT,
            PeerFault::Malformed
            | PeerFault::MissingField
            | PeerFault::NoCredit
            | PeerFault::WrongDirection => Self::MALFORMED,
            PeerFault::NoHello => Self::NO_HELLO,
            PeerFault::Silent => Self::HEARTBEAT_MISSED,
            PeerFault::RateExceeded => Self::RATE_LIMITED,
            PeerFault::SecondHello => Self::SECOND_HELLO,
            PeerFault::SlowHandshake => Self::HANDSHAKE_TIMEOUT,
            PeerFault::TooSlow => Self::TOO_SLOW,
            PeerFault::TooLarge => Self::TOO_LARGE,
            PeerFault::WrongFormat => Self::WRONG_FORMAT,
        }
    }
}
