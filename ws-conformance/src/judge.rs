//! The rules that hold for every frame of a subject, whatever a case shows.

use crate::transcript::{Who, describe, is_sequenced};
use std::collections::BTreeSet;
use ws_proto::{Envelope, Frame, MessageId};

/// Frames that a server never sends.
const CLIENTS: [&str; 5] = ["$hello", "$auth", "$sub", "$unsub", "$end"];
/// Frames that a client never sends.
const SERVERS: [&str; 8] =
    ["$welcome", "$reject", "$ok", "$unsubbed", "$live", "$gap", "$auth_ok", "$auth_required"];

/// Follows one session of the subject over its connections (`docs/protocol.md`, section 6).
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    theirs: Who,
    /// The highest `seq` of the subject below which nothing is missing.
    pub(crate) received: u64,
    /// The highest `seq` that the runner sent.
    pub(crate) sent: u64,
    /// The highest `ack` of the subject.
    pub(crate) acknowledged: u64,
    /// What the subject is told on a resume that the runner has.
    pub(crate) resumes: Option<u64>,
    ids: BTreeSet<MessageId>,
    has_closed: bool,
}

impl Judge {
    pub(crate) fn new(theirs: Who) -> Self {
        Self {
            theirs,
            received: 0,
            sent: 0,
            acknowledged: 0,
            resumes: None,
            ids: BTreeSet::new(),
            has_closed: false,
        }
    }

    /// Whether a server is judged.
    pub(crate) fn is_server(&self) -> bool {
        self.theirs == Who::S
    }

    /// The same session goes on over another connection.
    pub(crate) fn reconnected(&mut self) {
        self.has_closed = false;
    }

    /// The client says hello. A new session begins with that; whether another goes on, the welcome
    /// says.
    pub(crate) fn greeted(&mut self, resumes: Option<u64>) {
        self.resumes = resumes;
        if resumes.is_none() {
            self.anew();
        }
    }

    /// A new session begins.
    pub(crate) fn anew(&mut self) {
        (self.received, self.sent, self.acknowledged) = (0, 0, 0);
    }

    /// The session is resumed: the subject sends again what follows this.
    pub(crate) fn resumed(&mut self, received: u64) {
        self.received = received;
    }

    /// What the subject broke with this frame.
    pub(crate) fn take(&mut self, envelope: &Envelope) -> Result<(), String> {
        let kind = &*envelope.head.kind;
        let broken = |rule: &str| Err(format!("{rule}\n  got {}", describe(envelope)));
        if self.has_closed {
            return broken("nothing follows `$close`");
        }
        self.has_closed = kind == "$close";
        let foreign: &[&str] = if self.theirs == Who::C { &SERVERS } else { &CLIENTS };
        if foreign.contains(&kind) {
            return broken("this frame belongs to the other side");
        }
        match &envelope.frame {
            Frame::Hello(hello) => self.greeted(hello.resume.as_ref().map(|resume| resume.recv)),
            Frame::Welcome(welcome) => match self.resumes {
                Some(received) if welcome.session.resumed => self.resumed(received),
                Some(_) => self.anew(),
                None => {}
            },
            _ => {}
        }
        let is_event = self.theirs == Who::S && is_event(envelope);
        if let Some(ack) = envelope.head.ack {
            if matches!(kind, "$hello" | "$reject") || is_event {
                return broken("this frame carries no `ack`");
            }
            if ack > self.sent {
                return broken(&format!("`ack` {ack} is above what was sent: {}", self.sent));
            }
            self.acknowledged = self.acknowledged.max(ack);
        }
        let is_again = self.place(envelope, broken)?;
        // A frame that is sent again after a resume is the same frame.
        if !self.ids.insert(envelope.head.id) && !is_again {
            return broken("an `id` is unique");
        }
        Ok(())
    }

    fn place(
        &mut self,
        envelope: &Envelope,
        broken: impl Fn(&str) -> Result<(), String>,
    ) -> Result<bool, String> {
        let must = is_sequenced(self.theirs, envelope);
        match envelope.head.seq {
            None if must => broken("this frame needs a `seq`")?,
            Some(_) if !must && !matches!(envelope.frame, Frame::Unknown(_)) => {
                broken("this frame has no place in the session stream, so it carries no `seq`")?;
            }
            Some(seq) if seq != self.received + 1 => {
                broken(&format!("the next `seq` is {}", self.received + 1))?;
            }
            Some(seq) => self.received = seq,
            None => {}
        }
        Ok(self.resumes.is_some())
    }
}

/// Whether this is an event of a channel, or about its events, and not in the session stream.
pub(crate) fn is_event(envelope: &Envelope) -> bool {
    envelope.head.ch.is_some() && envelope.head.re.is_none() && envelope.head.seq.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_proto::{Format, Head, IdSource, Raw, frame::Ack};

    fn frame(kind: &str, set: impl FnOnce(&mut Head)) -> Envelope {
        // Each frame of these tests is another message.
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let seed = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut head = Head::new(kind.to_owned().into(), IdSource::new(seed).next(1), 1);
        set(&mut head);
        let frame = match kind {
            "$ack" => Frame::Ack(Ack::default()),
            _ => Frame::Message(Raw::null(Format::Json)),
        };
        Envelope { head, frame }
    }

    #[test]
    fn a_skipped_or_repeated_seq_is_broken() {
        for seq in [0, 2] {
            let mut judge = Judge::new(Who::C);
            let error = judge.take(&frame("join", |head| head.seq = Some(seq))).unwrap_err();
            assert!(error.contains("the next `seq` is 1"), "{error}");
        }
    }

    #[test]
    fn an_ack_above_what_was_sent_is_broken() {
        let mut judge = Judge::new(Who::C);
        let ack = frame("$ack", |head| head.ack = Some(1));
        assert!(judge.take(&ack).unwrap_err().contains("above what was sent: 0"));
    }

    #[test]
    fn an_event_with_an_ack_is_broken() {
        let mut judge = Judge::new(Who::S);
        judge.sent = 9;
        let event = frame("room.said", |head| {
            head.ch = Some("room/a".to_owned().into());
            head.ack = Some(1);
        });
        assert!(judge.take(&event).unwrap_err().contains("carries no `ack`"));
    }

    #[test]
    fn an_id_that_comes_twice_is_broken() {
        let mut judge = Judge::new(Who::C);
        let ack = frame("$ack", |_| {});
        judge.take(&ack).unwrap();
        assert!(judge.take(&ack).unwrap_err().contains("unique"));
    }
}
