//! Snapshots of channels that the peer may not hear of before its application decided anew
//! (`docs/protocol.md`, section 6). They have their place among the frames, so what is behind them
//! waits, too.

use super::{Outbox, Queued};
use bytestring::ByteString;
use ws_proto::{Address, Envelope, Frame};

impl Outbox {
    /// Sends no snapshot of this channel, again or for the first time, until told otherwise.
    pub(in crate::session) fn withhold(&mut self, address: Address) {
        self.withheld.insert(address);
    }

    pub(in crate::session) fn release(&mut self, address: &Address) {
        self.withheld.remove(address);
    }

    /// Whether the next frame is one of them.
    pub(super) fn is_withheld(&self) -> bool {
        if self.withheld.is_empty() {
            return false;
        }
        let is_one = |next: &_| self.withheld.iter().any(|address| is_snapshot(next, address));
        if self.replayed < self.sent.len() {
            return self.sent.get(self.replayed).is_some_and(|next| is_one(&next));
        }
        self.first().is_some_and(is_one)
    }

    /// The channel is over: its snapshots are not sent any more. Those that have a place leave
    /// something in it that means nothing to the peer.
    pub(super) fn withdraw_withheld(&mut self, address: &Address) {
        if !self.withheld.remove(address) {
            return;
        }
        self.sent.replace(|mut envelope| {
            if !is_snapshot(&envelope, address) {
                return None;
            }
            envelope.head.kind = ByteString::from_static("$cancel");
            envelope.head.ch = None;
            envelope.head.off = None;
            envelope.frame = Frame::Cancel;
            Some(envelope)
        });
        self.retain(|queued| match queued {
            Queued::Frame(envelope, _) => !is_snapshot(envelope, address),
            Queued::Delivery(..) | Queued::Latest(..) => true,
        });
    }
}

/// Of all frames of a server that have a place, only snapshots are messages of a channel.
fn is_snapshot(envelope: &Envelope, address: &Address) -> bool {
    let ch = envelope.head.ch.as_ref();
    matches!(envelope.frame, Frame::Message(_)) && ch.is_some_and(|ch| ch == address.text())
}
