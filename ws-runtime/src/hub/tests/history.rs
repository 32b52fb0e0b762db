//! How long a log remembers: by count, by bytes and by age.

use super::*;
use std::time::Duration;

static SHORT: ChannelSpec =
    ChannelSpec { history: 1, history_secs: Some(10), ..spec("room", Delivery::AtLeastOnce) };
static SMALL: ChannelSpec =
    ChannelSpec { history: 100, history_bytes: Some(500), ..spec("room", Delivery::AtLeastOnce) };
static BRIEF: ChannelSpec =
    ChannelSpec { history: 100, history_secs: Some(10), ..spec("room", Delivery::AtLeastOnce) };
static LONG: ChannelSpec = ChannelSpec { history: 10_000, ..spec("room", Delivery::AtLeastOnce) };
static CURSORS: ChannelSpec = ChannelSpec { latest: true, ..spec("room", Delivery::BestEffort) };

fn put(hub: &mut Hub, spec: &'static ChannelSpec, id: u128, text: &str) -> Published {
    hub.publish(&lobby(), spec, stamp(id), &said(text)).unwrap()
}

fn enter(hub: &mut Hub, spec: &'static ChannelSpec, off: Option<u64>, window: u32) -> Done {
    let since = off.map(|off| Position { epoch: "5f-1".to_owned(), off });
    hub.subscribe(ANNA, &lobby(), spec, since.as_ref(), window).unwrap()
}

#[test]
fn bytes_trim_the_oldest() {
    let mut hub = hub();
    for id in 1..=9 {
        put(&mut hub, &SMALL, id, "hello");
    }
    // A message has 120 bytes: four fit.
    assert_eq!(hub.kept(&lobby()), 4);
    let done = enter(&mut hub, &SMALL, Some(5), 16);
    assert_eq!(done.recovered, Some(true));
    assert_eq!(take(&mut hub, ANNA), ["6", "7", "8", "9", "live 9"]);
    hub.disconnect(ANNA);
    assert_eq!(enter(&mut hub, &SMALL, Some(4), 16).reason, Some(NotRecovered::Trimmed));
}

#[test]
fn an_event_larger_than_all_bytes_is_kept_alone_until_the_next() {
    let mut hub = hub();
    put(&mut hub, &SMALL, 1, "hello");
    put(&mut hub, &SMALL, 2, &"x".repeat(600));
    assert_eq!(hub.kept(&lobby()), 1);
    assert!(put(&mut hub, &SMALL, 2, "again").duplicate);
    assert!(!put(&mut hub, &SMALL, 1, "hello").duplicate, "it was forgotten");
    assert_eq!(hub.kept(&lobby()), 1);
}

#[test]
fn an_event_is_kept_to_the_end_of_its_last_second_and_no_longer() {
    for (after, kept) in [(10_000, 1), (10_001, 0)] {
        let mut hub = hub();
        hub.advance(Duration::from_secs(5));
        put(&mut hub, &BRIEF, 1, "hello");
        hub.advance(Duration::from_secs(5) + Duration::from_millis(after));
        assert_eq!(hub.kept(&lobby()), kept);
        let done = enter(&mut hub, &BRIEF, Some(0), 4);
        assert_eq!(done.recovered, Some(kept == 1));
        assert_eq!(done.off, Some(u64::from(kept == 0)));
    }
}

#[test]
fn what_grows_too_old_before_it_was_sent_is_an_exact_gap() {
    let mut hub = hub();
    enter(&mut hub, &BRIEF, None, 1);
    for id in 1..=3 {
        hub.advance(Duration::from_secs(id));
        put(&mut hub, &BRIEF, id.into(), "hello");
    }
    assert_eq!(take(&mut hub, ANNA), ["1"]);
    hub.advance(Duration::from_millis(12_500));
    assert_eq!(hub.consumed(ANNA, &lobby(), 1), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["gap 1..=2", "3"]);
}

#[test]
fn a_log_whose_events_are_all_too_old_goes_on_with_the_next_position() {
    let mut hub = hub();
    enter(&mut hub, &BRIEF, None, 4);
    put(&mut hub, &BRIEF, 1, "hello");
    put(&mut hub, &BRIEF, 2, "hello");
    hub.advance(Duration::from_secs(11));
    assert_eq!(take(&mut hub, ANNA), ["gap 0..=2"]);
    let again = put(&mut hub, &BRIEF, 1, "hello");
    assert!(!again.duplicate, "its id was forgotten with it");
    assert_eq!(again.position.unwrap().off, 3);
    assert_eq!(take(&mut hub, ANNA), ["3"]);
}

#[test]
fn time_that_goes_back_brings_nothing_back() {
    let mut hub = hub();
    put(&mut hub, &BRIEF, 1, "hello");
    hub.advance(Duration::from_secs(11));
    hub.advance(Duration::ZERO);
    assert_eq!(hub.kept(&lobby()), 0);
}

#[test]
fn with_a_history_of_one_the_gaps_are_exact_and_credit_is_kept() {
    let mut hub = hub();
    enter(&mut hub, &SHORT, None, 2);
    put(&mut hub, &SHORT, 1, "hello");
    assert_eq!(take(&mut hub, ANNA), ["1"]);
    for id in 2..=4 {
        put(&mut hub, &SHORT, id, "hello");
    }
    hub.advance(Duration::from_secs(11));
    put(&mut hub, &SHORT, 5, "hello");
    assert_eq!(take(&mut hub, ANNA), ["gap 1..=4", "5"]);
    for id in 6..=9 {
        put(&mut hub, &SHORT, id, "hello");
    }
    assert!(take(&mut hub, ANNA).is_empty(), "1 and 5 are in flight");
    assert_eq!(hub.consumed(ANNA, &lobby(), 1), Ok(true));
    assert_eq!(take(&mut hub, ANNA), ["gap 5..=8", "9"]);
    put(&mut hub, &SHORT, 10, "hello");
    assert!(take(&mut hub, ANNA).is_empty(), "5 and 9 are in flight");
}

#[test]
fn a_huge_backlog_comes_in_pages_of_the_window_and_live_events_wait_behind_it() {
    let mut hub = hub();
    for id in 1..=10_000 {
        put(&mut hub, &LONG, id, "hello");
    }
    enter(&mut hub, &LONG, Some(0), 100);
    let mut seen = Vec::new();
    for page in 1..=100 {
        let taken = take(&mut hub, ANNA);
        assert_eq!(taken.len(), if page == 100 { 101 } else { 100 });
        put(&mut hub, &LONG, 10_000 + page, "hello");
        seen.extend(taken);
        hub.consumed(ANNA, &lobby(), u64::try_from(page).unwrap() * 100).unwrap();
    }
    assert_eq!(seen.pop().unwrap(), "live 10000");
    assert!(seen.iter().map(|off| off.parse::<i32>().unwrap()).eq(1..=10_000));
    assert_eq!(take(&mut hub, ANNA).first().unwrap(), "10001");
}

#[test]
fn only_a_channel_declared_latest_names_values() {
    let mut hub = hub();
    let event = |published: Published| published.fan_out.unwrap();
    let named = event(put(&mut hub, &CURSORS, 1, "hello"));
    assert_eq!(named.latest().map(|text| &**text), Some("room.said"));
    let plain = hub.publish(&address("typing/a"), &TYPING, stamp(2), &said("hello")).unwrap();
    assert_eq!(event(plain).latest(), None);
}
