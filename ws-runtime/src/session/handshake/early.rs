//! What a client says right behind its hello, before it has heard the welcome
//! (`docs/protocol.md`, section 4, "One flight").

use crate::session::{
    PeerFault, Session, Side, leaving::Left, outbox::Next, serving::copied, state::State,
};
use ws_proto::{Envelope, Frame, Head, Limits};

/// Bytes of an epoch that such a frame may have, so that it stays below the smallest `max_frame`.
const EPOCH: usize = 256;

/// What waits for the decision about its hello.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct Early(Vec<Envelope>);

impl Session {
    /// Whether more messages of the peer can be taken: ask before [`Session::handle_frame`]. A
    /// server that decides about a hello holds what a client may say meanwhile; the rest stays with
    /// the transport, which is not read until it has decided.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        let Some(early) = &self.inbox.early else { return true };
        early.0.len() < Limits::EARLY_FRAMES && early.bytes() < Limits::EARLY_BYTES
    }

    /// Server: keeps a frame that came before the decision about its hello; false for every other.
    pub(in crate::session) fn hold_early(
        &mut self,
        envelope: &mut Envelope,
    ) -> Result<bool, PeerFault> {
        let is_farewell = matches!(envelope.frame, Frame::Close(_));
        if is_farewell || !matches!(self.state, State::Deciding { .. }) {
            return Ok(false);
        }
        let has_place = envelope.head.seq.is_some() && may_wait(&envelope.frame);
        let has_room = self.wants_frames();
        match &mut self.inbox.early {
            Some(early) if has_room && has_place => {
                early.keep(envelope);
                Ok(true)
            }
            // Nobody knows yet whose session a frame behind a resuming hello would be of.
            _ => Err(PeerFault::NoHello),
        }
    }

    /// Server: the client is taken in, and so is what it said.
    pub(in crate::session) fn take_early(&mut self) {
        for mut envelope in self.inbox.early.take().unwrap_or_default().0 {
            if self.state.is_ending() {
                break;
            }
            if let Err(fault) = self.receive(&mut envelope) {
                self.handle_fault(fault, self.now);
            }
        }
    }

    /// Client: whether nothing is left of a session before. What is left of one is settled by the
    /// welcome, which alone says that it is lost.
    pub(in crate::session) fn leaves_nothing(&self) -> bool {
        self.calls.sent().is_empty() && self.work.is_idle()
    }

    /// Client: whether frames may follow the hello that is out.
    pub(in crate::session) fn may_speak_early(&self) -> bool {
        matches!(self.state, State::Greeting { .. }) && self.inbox.early.is_some()
    }

    /// Client: how many frames left before the welcome that has just come.
    pub(in crate::session) fn early_frames(&self) -> u64 {
        if self.inbox.early.is_some() { self.outbox.last_seq() } else { 0 }
    }

    /// Client: the next frame that need not wait for the welcome. Only a `$sub`: it means the same
    /// in every version, and without a welcome it is asked for again. A request would have left
    /// without anybody knowing whether it arrived.
    pub(in crate::session) fn next_early(&mut self) -> Option<Left> {
        let has_more = self.early_frames() < Limits::EARLY_FRAMES as u64;
        if self.side == Side::Server || !self.may_speak_early() || !has_more {
            return None;
        }
        let Frame::Subscribe(subscribe) = &self.outbox.first()?.frame else { return None };
        if subscribe.since.as_ref().is_some_and(|since| since.epoch.len() > EPOCH) {
            return None;
        }
        let Some(Next::Frame(envelope, _)) = self.outbox.next() else { return None };
        Some(self.leave_placed(envelope))
    }
}

impl Early {
    fn bytes(&self) -> usize {
        self.0.iter().map(size_of).sum()
    }

    /// In memory of its own: a slice would keep the whole message, and what came with it.
    fn keep(&mut self, Envelope { head, frame }: &mut Envelope) {
        let frame = match std::mem::replace(frame, Frame::End) {
            Frame::Message(payload) => Frame::Message(payload.detached()),
            Frame::Unknown(payload) => Frame::Unknown(payload.detached()),
            other => other,
        };
        let text = |text: &Option<_>| text.as_ref().map(copied);
        let (kind, ch) = (copied(&head.kind), text(&head.ch));
        let (key, tp) = (text(&head.key), text(&head.tp));
        self.0.push(Envelope { head: Head { kind, ch, key, tp, ..head.clone() }, frame });
    }
}

fn size_of(Envelope { head, frame }: &Envelope) -> usize {
    let body = match frame {
        Frame::Message(payload) | Frame::Unknown(payload) => payload.bytes().len(),
        Frame::Subscribe(subscribe) => {
            subscribe.since.as_ref().map_or(0, |since| since.epoch.len())
        }
        _ => 0,
    };
    let Head { kind, ch, key, tp, .. } = head;
    let texts = [Some(kind), ch.as_ref(), key.as_ref(), tp.as_ref()];
    body + texts.into_iter().flatten().map(|text| text.len()).sum::<usize>()
}

/// Whether a client has anything to say with this frame before its welcome.
const fn may_wait(frame: &Frame) -> bool {
    matches!(
        frame,
        Frame::Message(_)
            | Frame::Subscribe(_)
            | Frame::Unsubscribe
            | Frame::Cancel
            | Frame::Credit(_)
            | Frame::End
            | Frame::Unknown(_)
    )
}
