//! Each rule of the hub as a fact; the model test is in `model`.

mod bounds;
mod history;
mod holding;
mod model;
mod recovery;

use super::{ConnectionId, Hub, HubConfig, Misplaced, Outgoing, Published, Stamp, SubscribeError};
use std::sync::Arc;
use ws_proto::{
    Address, ChannelSpec, DecodeError, Delivery, EncodeError, EncodedEvent, EventSet, EventSpec,
    Format, MessageId, Position, Raw,
    frame::{Done, Gap, GapReason, NotRecovered},
    serve::PublishError,
};

const ANNA: ConnectionId = ConnectionId(1);
const BERT: ConnectionId = ConnectionId(2);

const HISTORY: u32 = 4;
pub(super) static ROOM: ChannelSpec = spec("room", Delivery::AtLeastOnce);
static TYPING: ChannelSpec = spec("typing", Delivery::BestEffort);

const fn spec(kind: &'static str, delivery: Delivery) -> ChannelSpec {
    ChannelSpec {
        kind,
        fields: &["name"],
        doc: "",
        since: 1,
        removed: None,
        deprecated: None,
        delivery,
        history: HISTORY,
        history_bytes: None,
        history_secs: None,
        latest: false,
        client_publish: true,
        snapshot: None,
        events: &[],
    }
}

#[derive(Clone, Debug)]
struct Said(String);

impl EventSet for Said {
    const SPECS: &'static [EventSpec] = &[];

    fn kind(&self) -> &'static str {
        "said"
    }

    fn encode(&self, format: Format) -> Result<Raw, EncodeError> {
        Raw::encode(format, &self.0)
    }

    fn decode(_: &str, payload: &Raw) -> Result<Self, DecodeError> {
        payload.decode().map(Self)
    }
}

fn hub() -> Hub {
    Hub::new(HubConfig { epoch_seed: 0x5f, address_seed: 7, max_logs: 2, max_frame: 1024 })
}

fn address(text: &'static str) -> Address {
    Address::parse(text).unwrap()
}

fn lobby() -> Address {
    address("room/lobby")
}

fn said(text: &str) -> EncodedEvent {
    EncodedEvent::new("room", &Said(text.to_owned())).unwrap()
}

fn stamp(id: u128) -> Stamp {
    Stamp { id: message(id), ts: 7, key: None }
}

fn keyed(id: u128, key: &'static str) -> Stamp {
    Stamp { key: Some(key.into()), ..stamp(id) }
}

fn message(id: u128) -> MessageId {
    MessageId(format!("{id:032x}").parse().unwrap())
}

fn publish(hub: &mut Hub, to: &Address, id: u128) -> Published {
    hub.publish(to, &ROOM, stamp(id), &said("hello")).unwrap()
}

fn subscribe(hub: &mut Hub, who: ConnectionId, window: u32) -> Done {
    hub.subscribe(who, &lobby(), &ROOM, None, window).unwrap()
}

fn since(hub: &mut Hub, who: ConnectionId, epoch: &str, off: u64) -> Done {
    let since = Position { epoch: epoch.to_owned(), off };
    hub.subscribe(who, &lobby(), &ROOM, Some(&since), 16).unwrap()
}

/// Everything that a subscriber of the lobby is to be sent now, in short form.
fn take(hub: &mut Hub, who: ConnectionId) -> Vec<String> {
    std::iter::from_fn(|| hub.next(who, &lobby())).map(|outgoing| short(&outgoing)).collect()
}

fn short(outgoing: &Outgoing) -> String {
    match outgoing {
        Outgoing::Event(event) => {
            let (prev, off) = (event.head.prev.unwrap(), event.head.off.unwrap());
            assert_eq!(prev + 1, off);
            off.to_string()
        }
        Outgoing::Gap(Gap { reason: GapReason::Trimmed, after, until, dropped: None }) => {
            format!("gap {}..={}", after.unwrap(), until.unwrap())
        }
        Outgoing::Gap(gap) => panic!("no other gap comes from a log: {gap:?}"),
        Outgoing::Live { off } => format!("live {off}"),
        Outgoing::Events(_) => panic!("only `next_many` gives several"),
    }
}

#[test]
fn positions_rise_by_one_from_one() {
    let mut hub = hub();
    for off in 1..=9 {
        let published = publish(&mut hub, &lobby(), u128::from(off));
        assert_eq!(published.position, Some(Position { epoch: "5f-1".to_owned(), off }));
        assert!(!published.duplicate && published.fan_out.is_none());
    }
}

#[test]
fn every_channel_has_its_own_positions() {
    let mut hub = hub();
    publish(&mut hub, &lobby(), 1);
    let other = publish(&mut hub, &address("room/annex"), 2);
    assert_eq!(other.position, Some(Position { epoch: "5f-2".to_owned(), off: 1 }));
}

#[test]
fn an_event_says_its_channel_and_its_place_and_keeps_its_key_to_itself() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 4);
    hub.publish(&lobby(), &ROOM, keyed(1, "k"), &said("hello")).unwrap();
    let Some(Outgoing::Event(event)) = hub.next(ANNA, &lobby()) else { panic!("no event") };
    assert_eq!(event.head.kind, "room.said");
    assert_eq!((event.head.id, event.head.ts), (message(1), 7));
    assert_eq!(event.head.ch.as_deref(), Some("room/lobby"));
    assert_eq!((event.head.off, event.head.prev), (Some(1), Some(0)));
    assert_eq!(event.head.key, None);
    assert_eq!(event.head.seq, None);
}

#[test]
fn all_subscribers_share_one_encoding() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 4);
    subscribe(&mut hub, BERT, 4);
    publish(&mut hub, &lobby(), 1);
    let mut next = |who| match hub.next(who, &lobby()) {
        Some(Outgoing::Event(event)) => event,
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&next(ANNA), &next(BERT)));
}

#[test]
fn a_subscriber_starts_after_the_last_event_and_is_told_nothing() {
    let mut hub = hub();
    publish(&mut hub, &lobby(), 1);
    let done = subscribe(&mut hub, ANNA, 4);
    let epoch = Some("5f-1".to_owned());
    assert_eq!(done, Done { epoch, off: Some(1), recovered: None, reason: None });
    assert!(take(&mut hub, ANNA).is_empty());
    publish(&mut hub, &lobby(), 2);
    assert_eq!(take(&mut hub, ANNA), ["2"]);
}

#[test]
fn subscribing_twice_is_refused_and_changes_nothing() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 1);
    publish(&mut hub, &lobby(), 1);
    let again = hub.subscribe(ANNA, &lobby(), &ROOM, None, 9);
    assert_eq!(again, Err(SubscribeError::AlreadySubscribed));
    assert_eq!(hub.subscriptions(), 1);
    assert_eq!(take(&mut hub, ANNA), ["1"]);
}

#[test]
fn nothing_follows_an_unsubscribe() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 4);
    publish(&mut hub, &lobby(), 1);
    assert!(hub.unsubscribe(ANNA, &lobby()));
    assert!(!hub.unsubscribe(ANNA, &lobby()));
    assert!(hub.next(ANNA, &lobby()).is_none());
    assert!(publish(&mut hub, &lobby(), 2).wake.is_empty());
}

#[test]
fn a_subscriber_is_woken_once_until_it_has_taken_everything() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 4);
    assert_eq!(publish(&mut hub, &lobby(), 1).wake, [ANNA]);
    assert!(publish(&mut hub, &lobby(), 2).wake.is_empty());
    assert!(hub.next(ANNA, &lobby()).is_some());
    assert!(publish(&mut hub, &lobby(), 3).wake.is_empty(), "it has not seen `None` yet");
    assert_eq!(take(&mut hub, ANNA), ["2", "3"]);
    assert_eq!(publish(&mut hub, &lobby(), 4).wake, [ANNA]);
}

#[test]
fn a_full_window_is_not_woken_and_consuming_says_that_there_is_more() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 2);
    for id in 1..=2 {
        publish(&mut hub, &lobby(), id);
    }
    assert_eq!(take(&mut hub, ANNA), ["1", "2"]);
    assert!(publish(&mut hub, &lobby(), 3).wake.is_empty());
    assert!(take(&mut hub, ANNA).is_empty());
    assert_eq!(hub.consumed(ANNA, &lobby(), 1), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["3"]);
    assert_eq!(hub.consumed(ANNA, &lobby(), 3), Ok(false));
    assert_eq!(publish(&mut hub, &lobby(), 4).wake, [ANNA]);
}

#[test]
fn a_slow_subscriber_does_not_hold_up_another() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 1);
    subscribe(&mut hub, BERT, 16);
    publish(&mut hub, &lobby(), 1);
    assert_eq!(take(&mut hub, ANNA), ["1"]);
    for id in 2..=3 {
        publish(&mut hub, &lobby(), id);
    }
    assert!(take(&mut hub, ANNA).is_empty());
    assert_eq!(take(&mut hub, BERT), ["1", "2", "3"]);
}

#[test]
fn a_stalled_channel_does_not_hold_up_another() {
    let mut hub = hub();
    let annex = address("room/annex");
    subscribe(&mut hub, ANNA, 1);
    hub.subscribe(ANNA, &annex, &ROOM, None, 1).unwrap();
    for id in 1..=2 {
        publish(&mut hub, &lobby(), id);
    }
    assert_eq!(take(&mut hub, ANNA), ["1"]);
    assert_eq!(publish(&mut hub, &annex, 3).wake, [ANNA]);
    assert!(matches!(hub.next(ANNA, &annex), Some(Outgoing::Event(_))));
}

#[test]
fn consuming_above_what_was_sent_is_the_peers_fault() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 1);
    for id in 1..=2 {
        publish(&mut hub, &lobby(), id);
    }
    assert_eq!(hub.consumed(ANNA, &lobby(), 1), Err(Misplaced), "published, not yet sent");
    assert_eq!(take(&mut hub, ANNA), ["1"]);
    assert_eq!(hub.consumed(ANNA, &lobby(), u64::MAX), Err(Misplaced));
    assert!(take(&mut hub, ANNA).is_empty(), "a refused position makes no room");
}

#[test]
fn consuming_backwards_is_ignored() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 2);
    for id in 1..=4 {
        publish(&mut hub, &lobby(), id);
    }
    assert_eq!(take(&mut hub, ANNA), ["1", "2"]);
    assert_eq!(hub.consumed(ANNA, &lobby(), 2), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["3", "4"]);
    assert_eq!(hub.consumed(ANNA, &lobby(), 1), Ok(false));
    publish(&mut hub, &lobby(), 5);
    assert!(take(&mut hub, ANNA).is_empty());
}

#[test]
fn the_late_word_of_a_subscriber_that_left_is_ignored() {
    let mut hub = hub();
    assert_eq!(hub.consumed(ANNA, &lobby(), 3), Ok(false));
}

#[test]
fn a_best_effort_event_is_handed_out_once_without_a_position() {
    let mut hub = hub();
    let lobby = address("typing/lobby");
    let done = hub.subscribe(ANNA, &lobby, &TYPING, None, 4).unwrap();
    assert_eq!(done, Done::default());
    hub.subscribe(BERT, &lobby, &TYPING, None, 4).unwrap();
    for id in 1..=2 {
        let published = hub.publish(&lobby, &TYPING, stamp(id), &said("hello")).unwrap();
        assert_eq!(published.position, None);
        assert!(published.wake.is_empty(), "there is nothing to take");
        let channel = published.channel.unwrap();
        assert_eq!(hub.shared(channel), Some(&lobby));
        assert_eq!(hub.listeners(channel).collect::<Vec<_>>(), [ANNA, BERT]);
        let head = &published.fan_out.unwrap().head;
        assert_eq!((head.off, head.prev, head.id), (None, None, message(id)));
    }
    assert!(hub.next(ANNA, &lobby).is_none());
    assert_eq!(hub.consumed(ANNA, &lobby, 1), Err(Misplaced));
}

#[test]
fn best_effort_goes_on_with_what_comes_whatever_the_position() {
    let mut hub = hub();
    let lobby = address("typing/lobby");
    let since = Position { epoch: "5f-1".to_owned(), off: 3 };
    let done = hub.subscribe(ANNA, &lobby, &TYPING, Some(&since), 4).unwrap();
    assert_eq!(done, Done::default());
    assert!(hub.next(ANNA, &lobby).is_none());
}
