//! The wire of channels: who may hear what, and that every position follows the one before.

use crate::oracle::{Checked, hold};
use std::collections::{BTreeMap, BTreeSet};
use ws_proto::{Address, Frame, Head, MessageId};

#[derive(Debug, Default)]
pub(super) struct Channels {
    /// Commands that have come and are not answered: true is a subscribe.
    asked: BTreeMap<MessageId, bool>,
    /// What the peer listens to, and where it stands as far as it was told on this connection.
    places: BTreeMap<String, Option<u64>>,
    /// A gap may have been lost with a connection before the client knew that it listens.
    is_resumed: bool,
    barred: BTreeSet<String>,
    /// What our own application consumed.
    consumed: BTreeMap<String, u64>,
}

impl Channels {
    pub(super) fn consumes(&mut self, address: &Address, off: u64) {
        let consumed = self.consumed.entry(address.to_string()).or_default();
        *consumed = off.max(*consumed);
    }

    pub(super) fn forget_consumed(&mut self, address: &Address) {
        self.consumed.remove(address.as_str());
    }

    pub(super) fn bar(&mut self, barred: &BTreeSet<Address>) {
        self.barred = barred.iter().map(ToString::to_string).collect();
    }

    pub(super) fn resumes(&mut self) {
        self.is_resumed = true;
        self.places.values_mut().for_each(|place| *place = None);
    }

    pub(super) fn asked(&mut self, head: &Head, frame: &Frame) {
        self.asked.insert(head.id, matches!(frame, Frame::Subscribe(_)));
    }

    /// Only what was consumed is acknowledged.
    pub(super) fn tells(&self, told: &BTreeMap<String, u64>) -> Checked {
        for (address, off) in told {
            let consumed = self.consumed.get(address).copied().unwrap_or_default();
            hold("I9", *off <= consumed, || format!("{address}: tells {off} of {consumed}"))?;
        }
        Ok(())
    }

    /// An answer or the end of a subscription leaves: from here on the peer listens, or not.
    pub(super) fn answered(&mut self, head: &Head, frame: &Frame) {
        let Some(address) = head.ch.as_ref().map(ToString::to_string) else { return };
        match frame {
            Frame::Done(done) => match head.re.and_then(|re| self.asked.remove(&re)) {
                Some(true) => {
                    let known = done.off.filter(|_| !self.is_resumed);
                    self.places.insert(address, known);
                }
                Some(false) => drop(self.places.remove(&address)),
                None => {}
            },
            Frame::Unsubscribed(_) => drop(self.places.remove(&address)),
            _ => {}
        }
    }

    pub(super) fn event(&mut self, head: &Head) -> Checked {
        let place = self.place(head)?;
        let follows = place.is_none() || head.prev.is_none() || head.prev == *place;
        let (off, at) = (head.off, *place);
        *place = off;
        hold("I1", follows, || format!("{:?}: {off:?} follows {at:?}", head.ch))
    }

    /// A frame of a channel that has no place in the session stream leaves.
    pub(super) fn sent(&mut self, head: &Head, frame: &Frame) -> Checked {
        match frame {
            Frame::Gap(gap) => {
                let place = self.place(head)?;
                let at = *place;
                let follows = at.is_none() || gap.after.is_none() || gap.after == at;
                let is_gap = gap.until > gap.after || gap.dropped > Some(0);
                *place = gap.until.or(at);
                hold("I1", follows && is_gap, || format!("{:?}: {gap:?} at {at:?}", head.ch))
            }
            Frame::Live => {
                let place = self.place(head)?;
                let at = *place;
                let good = at.is_none() || at == head.off;
                hold("I2", good, || format!("{:?}: live {:?} at {at:?}", head.ch, head.off))
            }
            _ => Ok(()),
        }
    }

    /// Where the peer stands in the channel of a frame, which it has to listen to.
    fn place(&mut self, head: &Head) -> Result<&mut Option<u64>, crate::oracle::Broken> {
        let address = head.ch.as_ref().map(ToString::to_string).unwrap_or_default();
        let may = !self.barred.contains(&address);
        hold("I10", may, || format!("{} of {address}, which is on trial", head.kind))?;
        let place = self.places.get_mut(&address);
        place.ok_or_else(|| {
            let text = format!("{} of {address}, which nobody listens to", head.kind);
            crate::oracle::failure("I10", text)
        })
    }
}
