use super::*;
use crate::server::{calling::Asking, passing::Passed};
use std::{
    collections::BTreeSet,
    task::{Context, Wake, Waker},
    time::Duration,
};
use ws_proto::{DecodeError, Delivery, EncodeError, EventSet, EventSpec, Format, Limits, Raw};

static SPECS: [ChannelSpec; 3] = [
    spec("typing", Delivery::BestEffort),
    ChannelSpec { latest: true, ..spec("board", Delivery::BestEffort) },
    spec("room", Delivery::AtLeastOnce),
];

const fn spec(kind: &'static str, delivery: Delivery) -> ChannelSpec {
    ChannelSpec {
        kind,
        fields: &["name"],
        doc: "",
        since: 1,
        removed: None,
        deprecated: None,
        delivery,
        history: 8,
        history_bytes: None,
        history_secs: None,
        latest: false,
        client_publish: true,
        snapshot: None,
        events: &[],
    }
}

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

    fn latest(&self) -> Result<Option<ByteString>, EncodeError> {
        Ok((self.0 < 1000).then(|| (self.0 % 3).to_string().into()))
    }
}

struct Room {
    hubs: Arc<Hubs>,
    lobby: Address,
    ids: IdSource,
}

impl Room {
    fn new() -> Self {
        let hubs = Arc::new(Hubs::new(&SPECS, 64 * 1024, 1));
        Self { hubs, lobby: Address::parse("typing/lobby").unwrap(), ids: IdSource::new(1) }
    }

    fn listener(&self, who: u64) -> Arc<Mailbox> {
        self.listener_to(&self.lobby, who)
    }

    fn listener_to(&self, address: &Address, who: u64) -> Arc<Mailbox> {
        let (_, line) = Asking::new(Format::Json, Some(Duration::from_secs(1)), 1);
        let mailbox = Arc::new(Mailbox::new(&Limits::default(), line));
        self.hubs.subscribe(ConnectionId(who), &mailbox, address, None, 256).unwrap();
        mailbox
    }

    /// The application publishes.
    fn announce(&self, address: &Address, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            let event = EncodedEvent::new(address.kind(), &Key(number)).unwrap();
            self.hubs.publish(address, &event).unwrap();
        }
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
    let passing = mailbox.open(&Context::from_waker(Waker::noop())).take_passing(true);
    let mut passing = passing.unwrap_or_default();
    let number = |event: &Publication| {
        let text = std::str::from_utf8(event.bytes(Format::Json)).unwrap();
        let (_, payload) = text.rsplit_once(':').unwrap();
        payload.trim_end_matches('}').parse().unwrap()
    };
    let entry = |(_, passed): &(_, Passed)| match passed {
        Passed::Event(event) => vec![number(event)],
        Passed::Batch(batch) => batch.events().iter().map(|event| number(event)).collect(),
    };
    (passing.entries.iter().map(entry).collect(), passing.take_dropped().values().sum())
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
fn a_mailbox_that_is_full_drops_no_more_than_it_has_to() {
    let (mut room, mut held) = (Room::new(), Held::default());
    let mailbox = room.listener(1);
    (0..1030).for_each(|number| room.publish(number, &mut held));
    room.hubs.send_off(&mut held);
    let (entries, dropped) = taken(&mailbox);
    assert_eq!(dropped, 6);
    assert!(entries.into_iter().flatten().eq(6..1030));
}

/// Counts how often somebody was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn what_a_task_publishes_leaves_together_when_it_lets_others_have_the_thread() {
    let room = Room::new();
    let mailboxes = [room.listener(1), room.listener(2)];
    let bell = Arc::<Bell>::default();
    let waker = Waker::from(Arc::clone(&bell));
    drop(mailboxes[0].open(&Context::from_waker(&waker)));
    room.announce(&room.lobby, 0..3);
    assert_eq!(taken(&mailboxes[1]), (vec![], 0));
    tokio::task::yield_now().await;
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    assert!(mailboxes.iter().all(|mailbox| taken(mailbox) == (vec![vec![0, 1, 2]], 0)));
    room.announce(&room.lobby, 3..4);
    tokio::task::yield_now().await;
    assert_eq!(taken(&mailboxes[0]).0, [[3]], "the next ones leave, too");
}

#[tokio::test]
async fn news_of_a_log_is_told_once_for_all_that_a_task_publishes() {
    let room = Room::new();
    let log = Address::parse("room/lobby").unwrap();
    let mailbox = room.listener_to(&log, 1);
    room.announce(&log, 0..3);
    let news = || {
        let mut letters = mailbox.open(&Context::from_waker(Waker::noop()));
        std::iter::from_fn(|| letters.news.pop()).collect::<BTreeSet<_>>()
    };
    assert!(news().is_empty());
    tokio::task::yield_now().await;
    assert!(news().into_iter().eq([log.clone()]));
    let (outgoing, is_more) = room.hubs.next_many(ConnectionId(1), &log, 64).unwrap();
    let Outgoing::Events(batch) = outgoing else { panic!("{outgoing:?}") };
    assert_eq!((batch.events().len(), is_more), (3, false));
}

#[tokio::test]
async fn of_values_that_a_task_publishes_the_newest_leave_and_the_rest_are_counted() {
    let room = Room::new();
    let board = Address::parse("board/x").unwrap();
    let mailbox = room.listener_to(&board, 1);
    room.announce(&board, 0..2);
    room.announce(&board, 1000..1001);
    room.announce(&board, 3..8);
    assert_eq!(taken(&mailbox), (vec![], 0));
    tokio::task::yield_now().await;
    assert_eq!(taken(&mailbox), (vec![vec![6], vec![7], vec![1000], vec![5]], 4));
}

#[tokio::test]
async fn events_of_channels_that_take_turns_leave_together_too() {
    let room = Room::new();
    let mut others = (0..).map(|n| Address::parse(format!("typing/{n}")).unwrap());
    let other = others.find(|it| index_of(it) == index_of(&room.lobby)).unwrap();
    let mailboxes = [room.listener(1), room.listener_to(&other, 2)];
    for number in 0..3 {
        room.announce(&room.lobby, [number]);
        room.announce(&other, [number]);
    }
    tokio::task::yield_now().await;
    assert!(mailboxes.iter().all(|mailbox| taken(mailbox) == (vec![vec![0, 1, 2]], 0)));
}

#[test]
fn what_was_published_in_a_runtime_that_ends_is_sent_off() {
    let room = Room::new();
    let mailbox = room.listener(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { room.announce(&room.lobby, 0..2) });
    drop(runtime);
    assert_eq!(taken(&mailbox).0, [[0, 1]]);
}

#[test]
fn who_publishes_on_a_thread_does_not_wait_for_another_one() {
    let room = Room::new();
    let mailbox = room.listener(1);
    let new = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    // This one published and has the thread for long: nobody drives its runtime.
    let busy = new();
    let entered = busy.enter();
    room.announce(&room.lobby, 0..1);
    std::thread::scope(|scope| {
        scope.spawn(|| new().block_on(async { room.announce(&room.lobby, 1..2) }));
    });
    assert_eq!(taken(&mailbox).0, [[0, 1]]);
    drop(entered);
}

#[test]
fn a_session_that_keeps_up_takes_no_more_than_it_keeps_and_nothing_is_lost() {
    let (mut room, mut held) = (Room::new(), Held::default());
    let mailbox = room.listener(1);
    (0..1000).for_each(|number| room.publish(number, &mut held));
    room.hubs.send_off(&mut held);
    let mut events = 0;
    while let Some(mut passing) = mailbox.take_passing(false) {
        let sizes = passing.entries.iter().map(|(_, passed)| passed.size().0);
        let size: usize = sizes.sum();
        assert!(size <= 256 && (size > 256 - Batch::MAX || events + size == 1000));
        assert!(passing.take_dropped().is_empty());
        events += size;
    }
    assert_eq!(events, 1000);
}
