//! What a log keeps past its history, for whom and how long.

use super::*;
use crate::hub::log::{HELD, Log};

const KEPT: u64 = HISTORY as u64;

fn log(hub: &Hub) -> &Log {
    hub.channels.find(&lobby()).unwrap().log.as_ref().unwrap()
}

fn roomy() -> Hub {
    Hub::new(HubConfig { epoch_seed: 0x5f, address_seed: 7, max_logs: 1, max_frame: 64 * 1024 })
}

fn publish_up_to(hub: &mut Hub, ids: std::ops::RangeInclusive<u128>) {
    ids.for_each(|id| drop(publish(hub, &lobby(), id)));
}

fn all(offs: std::ops::RangeInclusive<u64>) -> Vec<String> {
    offs.map(|off| off.to_string()).collect()
}

#[test]
fn who_has_room_gets_all_that_was_published_before_its_turn() {
    let mut hub = roomy();
    subscribe(&mut hub, ANNA, 256);
    subscribe(&mut hub, BERT, 256);
    publish_up_to(&mut hub, 1..=64);
    assert_eq!(take(&mut hub, ANNA), all(1..=64));
    publish_up_to(&mut hub, 65..=70);
    assert_eq!(take(&mut hub, BERT), all(1..=70));
    assert_eq!(take(&mut hub, ANNA), all(65..=70));
}

#[test]
fn what_nobody_waits_for_is_kept_no_longer_than_the_history() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 256);
    subscribe(&mut hub, BERT, 256);
    publish_up_to(&mut hub, 1..=20);
    take(&mut hub, ANNA);
    assert_eq!(log(&hub).reach(), 0, "the other one has still to take them");
    take(&mut hub, BERT);
    assert_eq!(log(&hub).reach(), 20 - KEPT);
    publish_up_to(&mut hub, 21..=30);
    assert_eq!(log(&hub).reach(), 20);
    hub.disconnect(ANNA);
    hub.disconnect(BERT);
    assert_eq!(log(&hub).reach(), 30 - KEPT, "they are gone");
    publish_up_to(&mut hub, 31..=40);
    assert_eq!(log(&hub).reach(), 40 - KEPT, "and nobody listens");
}

#[test]
fn a_full_window_is_not_waited_for() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 2);
    publish_up_to(&mut hub, 1..=2);
    assert_eq!(take(&mut hub, ANNA), ["1", "2"]);
    publish_up_to(&mut hub, 3..=9);
    assert_eq!(log(&hub).reach(), 9 - KEPT);
    assert_eq!(hub.consumed(ANNA, &lobby(), 2), Ok(true));
    publish_up_to(&mut hub, 10..=11);
    assert_eq!(take(&mut hub, ANNA), ["gap 2..=5", "6", "7"], "waited for from its word on");
}

#[test]
fn no_more_events_are_kept_for_them_than_the_bound() {
    let mut hub = roomy();
    subscribe(&mut hub, ANNA, 1024);
    publish_up_to(&mut hub, 1..=u128::from(KEPT) + HELD as u128 + 3);
    let taken = take(&mut hub, ANNA);
    assert_eq!(taken[0], "gap 0..=3");
    assert_eq!(taken[1..], all(4..=KEPT + HELD as u64 + 3));
}

#[test]
fn no_more_bytes_are_kept_for_them_than_some_messages_have() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 1024);
    let text = "x".repeat(500);
    for id in 1..=20 {
        hub.publish(&lobby(), &ROOM, stamp(id), &said(&text)).unwrap();
    }
    let bytes: usize = (1..=20).filter_map(|off| Some(log(&hub).get(off)?.size())).sum();
    let one = log(&hub).get(20).unwrap().size();
    let bound = 4 * 1024 + HISTORY as usize * one;
    assert!((bound - one..=bound).contains(&bytes), "{bytes} of {bound}");
}

#[test]
fn nobody_starts_from_what_is_kept_for_others() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 256);
    hub.publish(&lobby(), &ROOM, keyed(1, "k"), &said("hello")).unwrap();
    publish_up_to(&mut hub, 2..=9);
    let done = since(&mut hub, BERT, "5f-1", 2);
    assert_eq!((done.recovered, done.reason), (Some(false), Some(NotRecovered::Trimmed)));
    assert_eq!(hub.kept(&lobby()), HISTORY as usize);
    assert!(!publish(&mut hub, &lobby(), 2).duplicate);
    let by_key = hub.publish(&lobby(), &ROOM, keyed(11, "k"), &said("hello")).unwrap();
    assert!(!by_key.duplicate);
    assert_eq!(take(&mut hub, ANNA), all(1..=11));
}

#[test]
fn what_a_subscriber_was_promised_to_recover_is_not_forgotten_before_its_turn() {
    let mut hub = hub();
    publish_up_to(&mut hub, 1..=4);
    assert_eq!(since(&mut hub, ANNA, "5f-1", 0).recovered, Some(true));
    publish_up_to(&mut hub, 5..=10);
    let expected = [all(1..=4), vec!["live 4".to_owned()], all(5..=10)].concat();
    assert_eq!(take(&mut hub, ANNA), expected);
}
