//! Best-effort events that a connection which is behind is not sent (`docs/protocol.md`, section
//! 8): the oldest, and as few as its bounds allow.

use super::{Delivery, Outbox, Queued};
use crate::session::Session;
use std::sync::Arc;

/// Best-effort events that wait for one connection; past it the oldest are dropped.
const PASSING_EVENTS: usize = 256;

impl Session {
    /// Whether best-effort events wait to be sent: more of them may be dropped.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.outbox.passing > 0
    }
}

impl Outbox {
    pub(super) fn drop_passing(&mut self) {
        loop {
            let events = self.passing.saturating_sub(PASSING_EVENTS);
            let bytes = self.passing_bytes.saturating_sub(self.passing_bytes_max);
            if events == 0 && bytes == 0 {
                return;
            }
            if self.drop_oldest_passing(events, bytes).is_none() {
                return;
            }
        }
    }

    /// Drops the oldest, of a batch no more than these; `None` when there is none.
    fn drop_oldest_passing(&mut self, events: usize, bytes: usize) -> Option<()> {
        let oldest = self.queue.iter().position(Queued::is_passing)?;
        let queued = self.queue.remove(oldest)?;
        let (address, delivery) = self.take_delivery(queued)?;
        let mut count = delivery.messages();
        if let Delivery::PassingBatch(batch) = &delivery
            && let Some(rest) = batch.without_oldest(events, bytes)
        {
            let left = rest.events().len();
            count -= left;
            self.deliveries += left;
            self.passing += left;
            self.passing_bytes += rest.size();
            let rest = Delivery::PassingBatch(Arc::new(rest));
            self.queue.insert(oldest, Queued::Delivery(address.clone(), rest));
        }
        *self.dropped.entry(address).or_default() += count as u64;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::outbox::Next;
    use bytestring::ByteString;
    use ws_proto::{
        Address, Batch, DecodeError, EncodeError, EncodedEvent, EventSet, EventSpec, Format, Head,
        Limits, MessageId, Publication, Raw,
    };

    struct Ticked;

    impl EventSet for Ticked {
        const SPECS: &'static [EventSpec] = &[];

        fn kind(&self) -> &'static str {
            "ticked"
        }

        fn encode(&self, format: Format) -> Result<Raw, EncodeError> {
            Raw::encode(format, &1)
        }

        fn decode(_: &str, _: &Raw) -> Result<Self, DecodeError> {
            Ok(Self)
        }
    }

    fn batch(numbers: std::ops::Range<u64>) -> Delivery {
        let event = |ts| {
            let id = MessageId(uuid::Uuid::nil());
            let head = Head::new(ByteString::from_static("tick.ticked"), id, ts);
            let event = EncodedEvent::new("tick", &Ticked).unwrap();
            // One-digit times would be smaller.
            Arc::new(Publication::new(Head { ts: ts + 100, ..head }, &event).unwrap())
        };
        Delivery::PassingBatch(Arc::new(Batch::new(numbers.map(event).collect())))
    }

    /// How many were dropped first, and the numbers of those that leave.
    fn leaves(outbox: &mut Outbox) -> (u64, Vec<u64>) {
        let (mut dropped, mut left) = (0, Vec::new());
        while let Some(next) = outbox.next() {
            match next {
                Next::Delivery(_, Delivery::Gap(gap)) if left.is_empty() => {
                    dropped += gap.dropped.unwrap();
                }
                Next::Delivery(_, Delivery::PassingBatch(batch)) => {
                    left.extend(batch.events().iter().map(|event| event.head.ts - 100));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((outbox.passing, outbox.passing_bytes, outbox.deliveries), (0, 0, 0));
        (dropped, left)
    }

    #[test]
    fn of_a_batch_no_more_events_are_dropped_than_are_too_many() {
        let mut outbox = Outbox::new(&Limits::default());
        let ticks = Address::parse("tick").unwrap();
        for first in [0, 60, 120, 180, 240] {
            outbox.deliver(ticks.clone(), batch(first..first + 60));
        }
        assert_eq!(outbox.passing, PASSING_EVENTS);
        assert_eq!(leaves(&mut outbox), (44, (44..300).collect()));
    }

    #[test]
    fn of_a_batch_no_more_events_are_dropped_than_have_too_many_bytes() {
        let Delivery::PassingBatch(one) = batch(0..1) else { panic!("a batch") };
        let mut limits = Limits::default();
        limits.write_buffer = 10 * one.size();
        let mut outbox = Outbox::new(&limits);
        let ticks = Address::parse("tick").unwrap();
        outbox.deliver(ticks.clone(), batch(0..8));
        outbox.deliver(ticks, batch(8..16));
        assert_eq!(leaves(&mut outbox), (6, (6..16).collect()));
    }
}
