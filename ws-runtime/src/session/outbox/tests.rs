//! That a newer value stands in the place of the older one.

use super::*;
use ws_proto::{EncodeError, EncodedEvent, EventSet, EventSpec, Format, Head, MessageId, Raw};

struct Moved(&'static str, u32);

impl EventSet for Moved {
    const SPECS: &'static [EventSpec] = &[];

    fn kind(&self) -> &'static str {
        "moved"
    }

    fn encode(&self, format: Format) -> Result<Raw, EncodeError> {
        Raw::encode(format, &self.1)
    }

    fn decode(kind: &str, _: &Raw) -> Result<Self, ws_proto::DecodeError> {
        Err(ws_proto::DecodeError::UnknownKind(kind.to_owned()))
    }

    fn latest(&self) -> Result<Option<ByteString>, EncodeError> {
        Ok(Some(self.0.into()))
    }
}

fn moved(outbox: &mut Outbox, ch: &'static str, who: &'static str, x: u32) {
    let head = Head::new("board.moved".into(), MessageId(uuid::Uuid::nil()), u64::from(x));
    let event = EncodedEvent::new("board", &Moved(who, x)).unwrap();
    let event = Publication::latest_of(head, &event).unwrap();
    outbox.deliver(Address::parse(ch).unwrap(), Delivery::Passing(Arc::new(event)));
}

/// What leaves: the number of each event, and how many were dropped.
fn leaves(outbox: &mut Outbox) -> Vec<String> {
    std::iter::from_fn(|| outbox.next())
        .map(|next| match next {
            Next::Delivery(ch, Delivery::Passing(event)) => format!("{ch} {}", event.head.ts),
            Next::Delivery(ch, Delivery::Gap(gap)) => format!("{ch} -{}", gap.dropped.unwrap()),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_newer_value_stands_in_the_place_of_the_older_one() {
    let mut outbox = Outbox::new(&Limits::default());
    for (ch, who, x) in [("a", "ann", 1), ("a", "bert", 2), ("b", "ann", 3), ("a", "ann", 4)] {
        moved(&mut outbox, ch, who, x);
    }
    assert_eq!((outbox.passing, outbox.deliveries), (3, 3));
    assert_eq!(leaves(&mut outbox), ["a -1", "a 4", "a 2", "b 3"]);
    assert_eq!((outbox.passing, outbox.passing_bytes, outbox.deliveries), (0, 0, 0));
    assert!(outbox.latest.is_empty() && outbox.is_empty());
    moved(&mut outbox, "a", "ann", 5);
    assert_eq!(leaves(&mut outbox), ["a 5"], "what left is in nobody's place");
}

#[test]
fn values_that_wait_end_with_their_channel_and_with_the_connection() {
    let mut outbox = Outbox::new(&Limits::default());
    for (ch, x) in [("a", 1), ("b", 2), ("a", 3)] {
        moved(&mut outbox, ch, "ann", x);
    }
    assert_eq!((outbox.passing, outbox.deliveries, outbox.latest.len()), (2, 2, 2));
    outbox.forget_channel(&Address::parse("a").unwrap());
    assert_eq!((outbox.passing, outbox.latest.len()), (1, 1));
    moved(&mut outbox, "a", "ann", 4);
    assert_eq!(leaves(&mut outbox), ["b 2", "a 4"]);
    for lose in [Outbox::rewind, Outbox::restart] {
        moved(&mut outbox, "a", "ann", 5);
        lose(&mut outbox);
        assert!(outbox.is_empty() && outbox.latest.is_empty());
    }
    assert_eq!(outbox.passing_bytes, 0);
}
