use super::*;
use crate::server::{calling::Asking, mailbox::Passed};
use std::{
    task::{Context, Waker},
    time::Duration,
};
use ws_proto::{DecodeError, Delivery, EncodeError, EventSet, EventSpec, Format, Limits, Raw};

static TYPING: [ChannelSpec; 1] = [ChannelSpec {
    kind: "typing",
    fields: &["name"],
    doc: "",
    since: 1,
    removed: None,
    deprecated: None,
    delivery: Delivery::BestEffort,
    history: 0,
    history_bytes: None,
    history_secs: None,
    latest: false,
    client_publish: true,
    snapshot: None,
    events: &[],
}];

struct Key(usize);

impl EventSet for Key {
    const SPECS: &'static [EventSpec] = &[];

    fn kind(&self) -> &'static str {
        "key"
    }

    fn encode(&self, format: Format) -> Result<Raw, EncodeError> {
        Raw::encode(format, &self.0)
    }

    fn decode(_: &str, payload: &Raw) -> Result<Self, DecodeError> {
        payload.decode().map(Self)
    }
}

struct Room {
    hubs: Hubs,
    lobby: Address,
    ids: IdSource,
}

impl Room {
    fn new() -> Self {
        let hubs = Hubs::new(&TYPING, 64 * 1024, 1);
        Self { hubs, lobby: Address::parse("typing/lobby").unwrap(), ids: IdSource::new(1) }
    }

    fn listener(&self, who: u64) -> Arc<Mailbox> {
        let (_, line) = Asking::new(Format::Json, Some(Duration::from_secs(1)), 1);
        let mailbox = Arc::new(Mailbox::new(&Limits::default(), line));
        self.hubs.subscribe(ConnectionId(who), &mailbox, &self.lobby, None, 1).unwrap();
        mailbox
    }

    /// A client publishes, and its turn goes on.
    fn publish(&mut self, number: usize, held: &mut Held) {
        let event = EncodedEvent::new("typing", &Key(number)).unwrap();
        let from = FromClient { id: self.ids.next(7), key: None };
        self.hubs.publish_as(&self.lobby, &event, Some(from), held).unwrap();
    }
}

/// What waits in a mailbox: entry by entry the payloads, and how many were dropped.
fn taken(mailbox: &Mailbox) -> (Vec<Vec<usize>>, u64) {
    let passing = mailbox.open(&Context::from_waker(Waker::noop())).take_passing();
    let number = |event: &Publication| {
        let text = std::str::from_utf8(event.bytes(Format::Json)).unwrap();
        let (_, payload) = text.rsplit_once(':').unwrap();
        payload.trim_end_matches('}').parse().unwrap()
    };
    let entry = |(_, passed): &(_, Passed)| match passed {
        Passed::Event(event) => vec![number(event)],
        Passed::Batch(batch) => batch.events().iter().map(|event| number(event)).collect(),
    };
    (passing.entries.iter().map(entry).collect(), passing.dropped.values().sum())
}

#[test]
fn what_one_turn_publishes_leaves_together_and_in_order() {
    let (mut room, mut held) = (Room::new(), Held::default());
    let mailboxes = [room.listener(1), room.listener(2)];
    (0..3).for_each(|number| room.publish(number, &mut held));
    assert_eq!(taken(&mailboxes[0]), (vec![], 0));
    room.hubs.send_off(&mut held);
    assert_eq!(held, Held::default());
    assert!(mailboxes.iter().all(|mailbox| taken(mailbox) == (vec![vec![0, 1, 2]], 0)));
}

#[test]
fn no_batch_is_longer_than_it_may_be() {
    let (mut room, mut held) = (Room::new(), Held::default());
    let mailbox = room.listener(1);
    (0..150).for_each(|number| room.publish(number, &mut held));
    room.hubs.send_off(&mut held);
    let (entries, _) = taken(&mailbox);
    assert_eq!(entries.iter().map(Vec::len).collect::<Vec<_>>(), [64, 64, 22]);
    assert!(entries.into_iter().flatten().eq(0..150));
}

#[test]
fn who_subscribes_hears_nothing_that_was_published_before() {
    let (mut room, mut held) = (Room::new(), Held::default());
    let early = room.listener(1);
    room.publish(1, &mut held);
    let late = room.listener(2);
    room.publish(2, &mut held);
    room.hubs.send_off(&mut held);
    assert_eq!(taken(&early).0, [[1], [2]]);
    assert_eq!(taken(&late).0, [[2]]);
}

#[test]
fn who_publishes_at_once_passes_nobody_who_waits() {
    let (mut room, mut held) = (Room::new(), Held::default());
    let mailbox = room.listener(1);
    room.publish(1, &mut held);
    let event = EncodedEvent::new("typing", &Key(2)).unwrap();
    room.hubs.publish(&room.lobby, &event).unwrap();
    assert_eq!(taken(&mailbox).0, [[1, 2]]);
    room.hubs.send_off(&mut held);
    assert_eq!(taken(&mailbox).0, [[0; 0]; 0], "it was sent off already");
}

#[test]
fn what_a_connection_published_is_sent_off_when_it_is_gone() {
    let (mut room, mut held) = (Room::new(), Held::default());
    let mailbox = room.listener(1);
    room.publish(1, &mut held);
    room.hubs.disconnect(ConnectionId(2));
    assert_eq!(taken(&mailbox).0, [[1]]);
}

#[test]
fn a_mailbox_that_is_full_drops_whole_batches_and_counts_their_events() {
    let (mut room, mut held) = (Room::new(), Held::default());
    let mailbox = room.listener(1);
    (0..1030).for_each(|number| room.publish(number, &mut held));
    room.hubs.send_off(&mut held);
    let (entries, dropped) = taken(&mailbox);
    assert_eq!(dropped, 64);
    assert!(entries.into_iter().flatten().eq(64..1030));
}
