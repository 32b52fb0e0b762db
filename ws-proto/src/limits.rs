//! Every bound of the wire in one place (`docs/protocol.md`, section 12).

/// The bounds that a side enforces. The server announces its own in `$welcome`.
///
/// Each field says unit, default and what lies past it. A zero where none makes sense is refused
/// by [`Limits::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one message; default 65,536. Past it: close code 4503, and an answer that would be
    /// larger becomes `$err too_large`.
    pub max_frame: usize,
    /// Bytes waiting to be written to one connection; default 262,144. Past it the writer waits,
    /// and after 10 s without progress the connection is closed with 4003.
    pub write_buffer: usize,
    /// Frames kept until the peer acknowledges them; default 1,024. Past it the sender waits.
    pub outbox_frames: usize,
    /// Bytes of those frames; default 262,144. Past it the sender waits.
    pub outbox_bytes: usize,
    /// Requests of one connection that are worked on at once; default 64. Past it they queue.
    pub max_in_flight: usize,
    /// Requests of one connection that wait for their turn; default 256. Past it:
    /// `$err overloaded`.
    pub max_queued: usize,
    /// Bytes of the requests and channel commands of one connection that are taken in and not yet
    /// answered, and of the parts of uploads that are not yet read; default 4,194,304, which is
    /// `max_in_flight` messages of the largest size. Past it: `$err overloaded`.
    pub inbound_bytes: usize,
    /// Subscriptions of one connection; default 128. Past it: `$err overloaded`.
    pub max_subs: usize,
    /// Snapshots of channels that are made for one connection, or wait to be sent, at once; default
    /// 8. Past it they wait for their turn.
    pub max_snapshots: usize,
    /// Events of one subscription that are sent and not yet acknowledged; default 256. Past it the
    /// rest is served later from the log.
    pub window: u32,
    /// Stream items of one request sent ahead of the receiver's credit request; default 32.
    pub stream_credit: u32,
    /// Parts of one upload that its handler has not read, and those that may still come; default
    /// 8. Their bytes count in `inbound_bytes`; where there is no room, the upload ends with
    /// `$err overloaded`.
    pub upload_window: u32,
    /// Inbound messages per second of one connection, control frames included; default 200.
    pub rate_per_s: u32,
    /// How far the rate may be exceeded for a moment, in messages; default 400.
    pub rate_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame: 64 * 1024,
            write_buffer: 256 * 1024,
            outbox_frames: 1024,
            outbox_bytes: 256 * 1024,
            max_in_flight: 64,
            max_queued: 256,
            inbound_bytes: 4 * 1024 * 1024,
            max_subs: 128,
            max_snapshots: 8,
            window: 256,
            stream_credit: 32,
            upload_window: 8,
            rate_per_s: 200,
            rate_burst: 400,
        }
    }
}

impl Limits {
    /// The smallest `max_frame`: a hello must fit.
    pub const MIN_FRAME: usize = 1024;
    /// The smallest `outbox_frames`. The other side acknowledges after 32 frames: with less room the
    /// sender would wait for a timer after each few, and a burst of refusals, which do not wait,
    /// would end a connection that keeps the rules. Twice that, for what is on its way meanwhile.
    pub const MIN_OUTBOX_FRAMES: usize = 64;
    /// Messages that a client sends before it knows the bounds of the server. A server holds as
    /// many until it has decided about the hello.
    pub const EARLY_FRAMES: usize = 16;
    /// Bytes of those: no message is larger than the smallest `max_frame`.
    pub const EARLY_BYTES: usize = Self::EARLY_FRAMES * Self::MIN_FRAME;
    /// Bytes of a channel address.
    pub const ADDRESS: usize = 255;
    /// Bytes of a message type.
    pub const KIND: usize = 128;
    /// Bytes of an idempotency key and of a traceparent.
    pub const KEY: usize = 128;
    /// How deep a JSON message may nest.
    pub const JSON_DEPTH: usize = 64;
    /// How deep a MessagePack message may nest.
    pub const MSGPACK_DEPTH: usize = 32;
    /// The largest integer that every JSON reader keeps exact: 2^53 - 1.
    pub const MAX_INTEGER: u64 = (1 << 53) - 1;

    /// Bytes that keeping a message or a subscription takes besides its own.
    const OVERHEAD: usize = 1024;

    /// Bytes that a connection may have read ahead of the message that is taken apart.
    const READ_AHEAD: usize = 64 * 1024;

    /// Bytes that one connection may cost a server at most: the sum of its bounds.
    ///
    /// Inbound: a message being read, the one before it and what was read ahead, what a client said
    /// behind its hello, a token being decided about, the requests and channel commands taken in,
    /// and the parts of uploads that wait for their handlers. Outbound: the answers and the
    /// snapshots that wait for room, the frames kept, refusals included (twice the outbox, and
    /// twice that while it moves), the stream items before it, the write buffer (twice, while it
    /// moves), and the best-effort events of a slow reader, before the outbox and in it, each with
    /// its frame.
    /// Events of logs are shared and cost a cursor. Calls of the client, `max_in_flight` at once,
    /// cost an entry each besides. What handlers allocate, and what callers hold that wait for
    /// their turn, is theirs.
    #[must_use]
    pub const fn worst_case(&self) -> usize {
        // Channel commands count twice: an `$unsub` of each channel passes their bound.
        let messages = 1 + 2 * self.max_in_flight + 3 * self.max_queued;
        let parts = self.max_in_flight * self.upload_window as usize;
        let early = Self::EARLY_BYTES + Self::OVERHEAD * Self::EARLY_FRAMES;
        let inbound = 3 * self.max_frame + Self::READ_AHEAD + early + self.inbound_bytes;
        let answers = self.max_frame * (self.max_in_flight + self.max_snapshots);
        let outbound = 5 * self.outbox_bytes + 6 * self.write_buffer + self.max_frame;
        inbound + answers + outbound + Self::OVERHEAD * (messages + parts + self.max_subs)
    }

    /// Says which bound makes no sense, and why.
    ///
    /// # Errors
    ///
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        if self.max_frame < Self::MIN_FRAME {
            return Err(format!("max_frame must be at least {} bytes", Self::MIN_FRAME));
        }
        let bytes = [
            ("write_buffer", self.write_buffer),
            ("outbox_bytes", self.outbox_bytes),
            ("inbound_bytes", self.inbound_bytes),
        ];
        if let Some((name, _)) = bytes.iter().find(|(_, bytes)| *bytes < self.max_frame) {
            return Err(format!("{name} must hold at least one message of max_frame bytes"));
        }
        if self.outbox_frames < Self::MIN_OUTBOX_FRAMES {
            let least = Self::MIN_OUTBOX_FRAMES;
            return Err(format!("outbox_frames must be at least {least}"));
        }
        let counts = [
            ("max_in_flight", self.max_in_flight),
            ("max_queued", self.max_queued),
            ("max_snapshots", self.max_snapshots),
            ("window", self.window as usize),
            ("stream_credit", self.stream_credit as usize),
            ("upload_window", self.upload_window as usize),
            ("rate_per_s", self.rate_per_s as usize),
            ("rate_burst", self.rate_burst as usize),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(format!("{name} must be at least 1")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_below_two_acknowledgements_is_refused() {
        let of = |outbox_frames| Limits { outbox_frames, ..Limits::default() }.check();
        assert_eq!(of(63), Err("outbox_frames must be at least 64".to_owned()));
        assert_eq!(of(64), Ok(()));
    }
}
