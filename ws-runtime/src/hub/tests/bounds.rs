//! Repetitions, sizes, and what is forgotten when.

use super::*;

fn keeps(hub: &Hub, to: &'static str) -> usize {
    hub.kept(&address(to))
}

#[test]
fn the_same_id_gets_the_first_position_and_is_not_appended() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 4);
    let first = publish(&mut hub, &lobby(), 1);
    publish(&mut hub, &lobby(), 2);
    assert_eq!(take(&mut hub, ANNA), ["1", "2"]);
    let again = publish(&mut hub, &lobby(), 1);
    assert!(again.duplicate && again.wake.is_empty());
    assert_eq!(again.position, first.position);
    assert!(take(&mut hub, ANNA).is_empty());
}

#[test]
fn the_same_key_is_the_same_event_whatever_it_says() {
    let mut hub = hub();
    let first = hub.publish(&lobby(), &ROOM, keyed(1, "k"), &said("hello")).unwrap();
    let again = hub.publish(&lobby(), &ROOM, keyed(2, "k"), &said("bye")).unwrap();
    assert!(again.duplicate);
    assert_eq!(again.position, first.position);
    let other = hub.publish(&lobby(), &ROOM, keyed(3, "l"), &said("hello")).unwrap();
    assert!(!other.duplicate);
    assert_eq!(keeps(&hub, "room/lobby"), 2);
}

#[test]
fn a_repetition_is_known_as_long_as_the_event_is_kept() {
    let mut hub = hub();
    hub.publish(&lobby(), &ROOM, keyed(1, "k"), &said("hello")).unwrap();
    for id in 2..=4 {
        publish(&mut hub, &lobby(), id);
    }
    assert!(publish(&mut hub, &lobby(), 1).duplicate);
    publish(&mut hub, &lobby(), 5);
    let by_key = hub.publish(&lobby(), &ROOM, keyed(6, "k"), &said("hello")).unwrap();
    assert!(!by_key.duplicate);
    assert!(!publish(&mut hub, &lobby(), 1).duplicate);
}

#[test]
fn an_id_and_a_key_count_in_their_own_channel_only() {
    let mut hub = hub();
    hub.publish(&lobby(), &ROOM, keyed(1, "k"), &said("hello")).unwrap();
    let annex = address("room/annex");
    let other = hub.publish(&annex, &ROOM, keyed(1, "k"), &said("hello")).unwrap();
    assert!(!other.duplicate);
}

#[test]
fn a_log_keeps_its_history_and_no_more() {
    let mut hub = hub();
    for id in 1..=9 {
        publish(&mut hub, &lobby(), id);
    }
    assert_eq!(keeps(&hub, "room/lobby"), HISTORY as usize);
}

#[test]
fn an_event_fits_up_to_the_limit_and_not_past_it() {
    let probe = {
        let mut hub = hub();
        subscribe(&mut hub, ANNA, 1);
        publish(&mut hub, &lobby(), 1);
        match hub.next(ANNA, &lobby()) {
            Some(Outgoing::Event(event)) => event.size(),
            other => panic!("{other:?}"),
        }
    };
    let with =
        |max_frame| Hub::new(HubConfig { epoch_seed: 1, address_seed: 7, max_logs: 1, max_frame });
    assert!(with(probe).publish(&lobby(), &ROOM, stamp(1), &said("hello")).is_ok());
    let limit = probe - 1;
    for spec in [&ROOM, &TYPING] {
        let refused = with(limit).publish(&lobby(), spec, stamp(1), &said(&"x".repeat(100)));
        assert!(matches!(refused, Err(PublishError::TooLarge { limit: l, .. }) if l == limit));
    }
    let refused = with(limit).publish(&lobby(), &ROOM, stamp(1), &said("hello"));
    assert_eq!(refused.unwrap_err(), PublishError::TooLarge { bytes: probe, limit });
}

#[test]
fn a_refused_event_takes_no_position_and_costs_no_log() {
    let mut hub = hub();
    publish(&mut hub, &lobby(), 1);
    publish(&mut hub, &address("room/annex"), 2);
    let large = said(&"x".repeat(2000));
    for to in [lobby(), address("room/third")] {
        let refused = hub.publish(&to, &ROOM, keyed(3, "k"), &large);
        assert!(matches!(refused, Err(PublishError::TooLarge { .. })));
    }
    assert_eq!((hub.logs(), keeps(&hub, "room/lobby"), keeps(&hub, "room/annex")), (2, 1, 1));
    let next = hub.publish(&lobby(), &ROOM, keyed(3, "k"), &said("hello")).unwrap();
    assert!(!next.duplicate);
    assert_eq!(next.position.unwrap().off, 2);
}

#[test]
fn a_header_past_its_bounds_is_refused_and_changes_nothing() {
    let mut hub = hub();
    let late = Stamp { ts: u64::MAX, ..stamp(1) };
    let refused = hub.publish(&lobby(), &ROOM, late, &said("hello"));
    assert!(matches!(refused, Err(PublishError::Encode(_))));
    assert_eq!((hub.channels(), hub.logs()), (0, 0));
}

#[test]
fn the_least_recently_published_log_is_forgotten_first() {
    let mut hub = hub();
    publish(&mut hub, &lobby(), 1);
    publish(&mut hub, &address("room/annex"), 2);
    publish(&mut hub, &lobby(), 3);
    publish(&mut hub, &address("room/third"), 4);
    assert_eq!((keeps(&hub, "room/lobby"), keeps(&hub, "room/annex")), (2, 0));
    assert_eq!((hub.channels(), hub.logs()), (2, 2));
}

#[test]
fn a_log_without_events_is_forgotten_before_one_with_history() {
    let mut hub = hub();
    publish(&mut hub, &lobby(), 1);
    for name in ["room/a", "room/b", "room/c"] {
        hub.subscribe(ANNA, &address(name), &ROOM, None, 1).unwrap();
        hub.disconnect(ANNA);
    }
    assert_eq!((keeps(&hub, "room/lobby"), hub.logs()), (1, 2));
}

#[test]
fn a_log_made_again_has_another_epoch() {
    let mut hub = hub();
    publish(&mut hub, &lobby(), 1);
    for (id, name) in [(2, "room/a"), (3, "room/b")] {
        publish(&mut hub, &address(name), id);
    }
    let done = since(&mut hub, ANNA, "5f-1", 1);
    let epoch = Some("5f-4".to_owned());
    let reason = Some(NotRecovered::Epoch);
    assert_eq!(done, Done { epoch, off: Some(0), recovered: Some(false), reason });
    assert_eq!(publish(&mut hub, &lobby(), 4).position.unwrap().off, 1);
    assert_eq!(take(&mut hub, ANNA), ["1"]);
}

#[test]
fn a_log_with_subscribers_is_never_forgotten() {
    let mut hub = hub();
    let annex = address("room/annex");
    subscribe(&mut hub, ANNA, 4);
    hub.subscribe(BERT, &annex, &ROOM, None, 4).unwrap();
    let third = address("room/third");
    let refused = hub.publish(&third, &ROOM, stamp(1), &said("hello"));
    assert_eq!(refused.unwrap_err(), PublishError::Full);
    assert_eq!(hub.subscribe(ANNA, &third, &ROOM, None, 4), Err(SubscribeError::Full));
    assert_eq!((hub.logs(), hub.channels(), hub.subscriptions()), (2, 2, 2));
    hub.unsubscribe(BERT, &annex);
    assert!(hub.subscribe(ANNA, &third, &ROOM, None, 4).is_ok());
}

#[test]
fn best_effort_channels_need_no_log_and_are_not_counted_as_one() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 4);
    hub.subscribe(ANNA, &address("room/annex"), &ROOM, None, 4).unwrap();
    hub.subscribe(ANNA, &address("typing/a"), &TYPING, None, 4).unwrap();
    hub.publish(&address("typing/b"), &TYPING, stamp(1), &said("hello")).unwrap();
    assert_eq!((hub.logs(), hub.channels()), (2, 3));
}

#[test]
fn a_connection_that_is_gone_leaves_nothing_behind() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 4);
    subscribe(&mut hub, BERT, 4);
    for name in ["typing/a", "typing/b"] {
        hub.subscribe(ANNA, &address(name), &TYPING, None, 4).unwrap();
    }
    hub.disconnect(ANNA);
    hub.disconnect(ANNA);
    assert_eq!((hub.subscriptions(), hub.channels()), (1, 1));
    assert!(!hub.by_connection.contains_key(&ANNA));
    assert!(hub.channels.all().all(|channel| !channel.subscribers.contains_key(&ANNA)));
    assert_eq!(publish(&mut hub, &lobby(), 1).wake, [BERT]);
    assert!(hub.next(ANNA, &lobby()).is_none());
    assert!(hub.subscribe(ANNA, &lobby(), &ROOM, None, 4).is_ok());
}

#[test]
fn unsubscribing_from_everything_leaves_nothing_of_the_connection() {
    let mut hub = hub();
    let typing = address("typing/a");
    hub.subscribe(ANNA, &typing, &TYPING, None, 4).unwrap();
    hub.unsubscribe(ANNA, &typing);
    assert_eq!((hub.subscriptions(), hub.channels()), (0, 0));
    assert!(hub.by_connection.is_empty() && hub.idle.is_empty());
}

#[test]
fn what_is_kept_shares_no_memory_with_the_message_it_came_in() {
    let mut hub = hub();
    let message = bytestring::ByteString::from("k room/lobby and a whole message around them");
    let key = message.slice_ref(&message[..1]);
    let to = Address::parse(message.slice_ref(&message[2..12])).unwrap();
    let stamp = Stamp { key: Some(key.clone()), ..stamp(1) };
    hub.publish(&to, &ROOM, stamp, &said("hello")).unwrap();
    let hall = Address::parse(message.slice_ref(&message[2..6])).unwrap();
    hub.subscribe(ANNA, &hall, &ROOM, None, 4).unwrap();
    drop((key, to, hall));
    assert!(message.into_bytes().try_into_mut().is_ok(), "somebody still holds a part of it");
}
