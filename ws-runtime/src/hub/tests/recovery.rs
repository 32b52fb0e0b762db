//! Positions shown by subscribers that come back, and history that is gone.

use super::*;
use std::time::Duration;

static AGED: ChannelSpec =
    ChannelSpec { history_secs: Some(10), ..spec("room", Delivery::AtLeastOnce) };

/// A lobby with `count` events; the last four are kept.
fn lobby_with(count: u128) -> Hub {
    let mut hub = hub();
    for id in 1..=count {
        publish(&mut hub, &lobby(), id);
    }
    hub
}

fn recovered(off: u64) -> Done {
    let epoch = Some("5f-1".to_owned());
    Done { epoch, off: Some(off), recovered: Some(true), reason: None }
}

fn not_recovered(off: u64, reason: NotRecovered) -> Done {
    let epoch = Some("5f-1".to_owned());
    Done { epoch, off: Some(off), recovered: Some(false), reason: Some(reason) }
}

/// Listens to a lobby whose events grow old.
fn listen(hub: &mut Hub, window: u32) {
    hub.subscribe(ANNA, &lobby(), &AGED, None, window).unwrap();
}

/// Publishes, and everything up to one of them grows too old before the next.
fn lose(hub: &mut Hub, ids: std::ops::RangeInclusive<u128>, last: u128) {
    for id in ids {
        publish(hub, &lobby(), id);
        if id == last {
            hub.advance(hub.now + Duration::from_secs(11));
        }
    }
}

#[test]
fn a_replay_has_every_event_after_the_position_and_one_end() {
    let mut hub = lobby_with(4);
    assert_eq!(since(&mut hub, ANNA, "5f-1", 1), recovered(1));
    assert_eq!(take(&mut hub, ANNA), ["2", "3", "4", "live 4"]);
    publish(&mut hub, &lobby(), 5);
    assert_eq!(take(&mut hub, ANNA), ["5"]);
}

#[test]
fn a_position_at_the_head_replays_nothing_and_ends_at_once() {
    let mut hub = lobby_with(4);
    for who in [ANNA, BERT] {
        assert_eq!(since(&mut hub, who, "5f-1", 4), recovered(4));
        assert_eq!(take(&mut hub, who), ["live 4"]);
    }
}

#[test]
fn coming_back_twice_without_traffic_replays_nothing_the_second_time() {
    let mut hub = lobby_with(4);
    since(&mut hub, ANNA, "5f-1", 2);
    assert_eq!(take(&mut hub, ANNA), ["3", "4", "live 4"]);
    hub.disconnect(ANNA);
    since(&mut hub, BERT, "5f-1", 4);
    assert_eq!(take(&mut hub, BERT), ["live 4"]);
}

#[test]
fn the_oldest_position_that_recovers_is_the_one_before_the_oldest_event() {
    // Of nine events 6 to 9 are kept.
    let mut hub = lobby_with(9);
    assert_eq!(since(&mut hub, ANNA, "5f-1", 5), recovered(5));
    assert_eq!(take(&mut hub, ANNA), ["6", "7", "8", "9", "live 9"]);
    assert_eq!(since(&mut hub, BERT, "5f-1", 4), not_recovered(9, NotRecovered::Trimmed));
    assert!(take(&mut hub, BERT).is_empty(), "all or nothing, and no end of a replay");
}

#[test]
fn a_position_above_the_head_belongs_to_another_history() {
    let mut hub = lobby_with(2);
    assert_eq!(since(&mut hub, ANNA, "5f-1", 3), not_recovered(2, NotRecovered::Epoch));
    assert_eq!(since(&mut hub, BERT, "5f-1", u64::MAX), not_recovered(2, NotRecovered::Epoch));
    publish(&mut hub, &lobby(), 3);
    assert_eq!(take(&mut hub, ANNA), ["3"]);
}

#[test]
fn another_epoch_is_not_recovered_from() {
    let mut hub = lobby_with(2);
    assert_eq!(since(&mut hub, ANNA, "5f-9", 1), not_recovered(2, NotRecovered::Epoch));
    publish(&mut hub, &lobby(), 3);
    assert_eq!(take(&mut hub, ANNA), ["3"]);
}

#[test]
fn an_event_published_during_a_replay_comes_once_and_after_its_end() {
    let mut hub = lobby_with(2);
    since(&mut hub, ANNA, "5f-1", 0);
    publish(&mut hub, &lobby(), 3);
    assert_eq!(take(&mut hub, ANNA), ["1", "2", "live 2", "3"]);
}

#[test]
fn a_replay_keeps_to_the_window_and_its_end_needs_no_room() {
    let mut hub = lobby_with(4);
    let from = Position { epoch: "5f-1".to_owned(), off: 0 };
    hub.subscribe(ANNA, &lobby(), &ROOM, Some(&from), 2).unwrap();
    assert_eq!(take(&mut hub, ANNA), ["1", "2"]);
    assert_eq!(hub.consumed(ANNA, &lobby(), 2), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["3", "4", "live 4"]);
}

#[test]
fn an_empty_channel_is_recovered_from_after_everybody_left() {
    let mut hub = hub();
    assert_eq!(subscribe(&mut hub, ANNA, 4).off, Some(0));
    hub.disconnect(ANNA);
    assert_eq!(since(&mut hub, BERT, "5f-1", 0), recovered(0));
    assert_eq!(take(&mut hub, BERT), ["live 0"]);
}

#[test]
fn what_is_trimmed_before_it_was_sent_is_a_gap_with_the_exact_range() {
    let mut hub = hub();
    listen(&mut hub, 16);
    publish(&mut hub, &lobby(), 1);
    assert_eq!(take(&mut hub, ANNA), ["1"]);
    lose(&mut hub, 2..=9, 5);
    assert_eq!(take(&mut hub, ANNA), ["gap 1..=5", "6", "7", "8", "9"]);
}

#[test]
fn a_gap_gives_back_no_credit_of_events_in_flight() {
    let mut hub = hub();
    listen(&mut hub, 3);
    for id in 1..=2 {
        publish(&mut hub, &lobby(), id);
    }
    assert_eq!(take(&mut hub, ANNA), ["1", "2"]);
    lose(&mut hub, 3..=20, 16);
    assert_eq!(take(&mut hub, ANNA), ["gap 2..=16", "17"], "1, 2 and 17 are in flight");
    assert_eq!(hub.consumed(ANNA, &lobby(), 1), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["18"]);
    assert_eq!(hub.consumed(ANNA, &lobby(), 17), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["19", "20"]);
}

#[test]
fn a_gap_takes_no_credit() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 1);
    publish(&mut hub, &lobby(), 1);
    assert_eq!(take(&mut hub, ANNA), ["1"]);
    for id in 2..=9 {
        publish(&mut hub, &lobby(), id);
    }
    assert_eq!(hub.consumed(ANNA, &lobby(), 1), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["gap 1..=5", "6"]);
    assert_eq!(hub.consumed(ANNA, &lobby(), 6), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["7"]);
}

#[test]
fn the_end_of_a_gap_can_be_consumed() {
    let mut hub = hub();
    listen(&mut hub, 2);
    publish(&mut hub, &lobby(), 1);
    assert_eq!(take(&mut hub, ANNA), ["1"]);
    lose(&mut hub, 2..=9, 5);
    assert_eq!(hub.next(ANNA, &lobby()).as_ref().map(short).as_deref(), Some("gap 1..=5"));
    assert_eq!(hub.consumed(ANNA, &lobby(), 5), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["6", "7"]);
}

#[test]
fn gaps_that_touch_are_each_exact() {
    let mut hub = hub();
    listen(&mut hub, 2);
    publish(&mut hub, &lobby(), 1);
    assert_eq!(take(&mut hub, ANNA), ["1"]);
    let mut seen = Vec::new();
    for round in 0..2 {
        lose(&mut hub, 2 + 8 * round..=9 + 8 * round, 5 + 8 * round);
        seen.push(hub.next(ANNA, &lobby()).as_ref().map(short).unwrap());
    }
    assert_eq!(seen, ["gap 1..=5", "gap 5..=13"]);
    assert_eq!(take(&mut hub, ANNA), ["14"]);
    assert_eq!(hub.consumed(ANNA, &lobby(), 14), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["15", "16"]);
}

#[test]
fn a_replay_that_is_trimmed_meanwhile_says_so_and_still_ends_once() {
    let mut hub = hub();
    hub.subscribe(BERT, &lobby(), &AGED, None, 1).unwrap();
    lose(&mut hub, 1..=4, 0);
    since(&mut hub, ANNA, "5f-1", 0);
    lose(&mut hub, 5..=10, 6);
    assert_eq!(take(&mut hub, ANNA), ["gap 0..=6", "live 6", "7", "8", "9", "10"]);
}

#[test]
fn what_was_in_flight_at_a_loss_comes_again_and_its_end_is_told() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 4);
    for id in 1..=3 {
        publish(&mut hub, &lobby(), id);
    }
    assert_eq!(take(&mut hub, ANNA), ["1", "2", "3"]);
    assert_eq!(hub.consumed(ANNA, &lobby(), 1), Ok(false));
    hub.rewind(ANNA, &lobby());
    publish(&mut hub, &lobby(), 4);
    assert_eq!(take(&mut hub, ANNA), ["2", "3", "live 3", "4"]);
}

#[test]
fn what_the_client_had_before_the_loss_may_be_acknowledged_after_it() {
    let mut hub = hub();
    subscribe(&mut hub, ANNA, 4);
    for id in 1..=4 {
        publish(&mut hub, &lobby(), id);
    }
    assert_eq!(take(&mut hub, ANNA), ["1", "2", "3", "4"]);
    hub.rewind(ANNA, &lobby());
    assert_eq!(hub.next(ANNA, &lobby()).as_ref().map(short).as_deref(), Some("1"));
    assert_eq!(hub.consumed(ANNA, &lobby(), 3), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["4", "live 4"]);
    assert_eq!(hub.consumed(ANNA, &lobby(), 5), Err(Misplaced));
}
