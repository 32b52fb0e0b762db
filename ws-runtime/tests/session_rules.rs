//! What holds for a pair of sessions whatever the applications, the peers and the network do.

mod session_pair;

use bytestring::ByteString;
use proptest::{collection::vec, prelude::*};
use session_pair::{Pair, acceptance, acts, config, hello, honest_acts, null};
use std::time::Duration;
use ws_proto::{Answer, CloseCode, Envelope, Frame, Head, IdSource, Limits};
use ws_runtime::session::{Command, Event, Session, Side, Time, WorkId};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_call_is_answered_exactly_once(acts in vec(acts(), 0..120)) {
        let mut pair = Pair::new();
        for act in acts {
            pair.act(&act);
        }
        pair.finish();
        for (call, count) in &pair.answers {
            prop_assert_eq!(*count, 1, "{:?} has no outcome", call);
        }
    }

    #[test]
    fn each_call_is_answered_exactly_once_over_lost_connections(
        acts in vec(honest_acts(), 0..160),
    ) {
        let mut pair = Pair::keeping();
        for act in acts {
            pair.act(&act);
        }
        pair.finish();
        for (call, count) in &pair.answers {
            prop_assert_eq!(*count, 1, "{:?} has no outcome", call);
        }
    }

    #[test]
    fn nothing_is_due_after_a_timeout(acts in vec(acts(), 0..60)) {
        let mut pair = Pair::new();
        for act in acts {
            pair.act(&act);
            pair.expect_rest();
        }
    }
}

/// A server with an open connection to a scripted client, and no limit of the rate.
fn open_server(change: impl FnOnce(&mut Limits)) -> (Session, IdSource) {
    let mut config = config(1);
    config.limits.rate_per_s = 1_000_000;
    config.limits.rate_burst = 1_000_000;
    change(&mut config.limits);
    let mut server = Session::new(Side::Server, config, Time::ZERO);
    let mut ids = IdSource::new(9);
    let head = Head::new(ByteString::from_static("$hello"), ids.next(0), 0);
    let frame = Frame::Hello(Box::new(hello()));
    server.handle_frame(Envelope { head, frame }, Time::ZERO);
    assert!(matches!(server.poll_event(), Some(Event::Hello(..))));
    let accept = Command::Accept(Box::new(acceptance()));
    server.handle_command(accept, Time::ZERO).expect("there was a hello");
    (server, ids)
}

fn from_client(ids: &mut IdSource, seq: u64, frame: Frame) -> Envelope {
    let kind = frame.control_type().unwrap_or("join");
    let mut head = Head::new(ByteString::from_static(kind), ids.next(0), 0);
    head.seq = Some(seq);
    if matches!(frame, Frame::Unsubscribe) {
        head.ch = Some(ByteString::from_static("room/lobby"));
    }
    Envelope { head, frame }
}

#[test]
fn a_client_that_acknowledges_nothing_is_closed() {
    let (mut server, mut ids) = open_server(|limits| limits.outbox_frames = 8);
    let mut seq = 0;
    while !server.is_ending() {
        seq += 1;
        assert!(seq <= 17, "the answers grow past twice the outbox");
        server.handle_frame(from_client(&mut ids, seq, Frame::Unsubscribe), Time::ZERO);
        while server.poll_transmit().is_some() {}
    }
    let closed = std::iter::from_fn(|| server.poll_event()).last();
    let Some(Event::Closed(closed)) = closed else { panic!("not closed but {closed:?}") };
    assert_eq!(closed.code, CloseCode::TOO_SLOW);
}

#[test]
fn requests_wait_until_there_is_room_for_their_answers() {
    let (mut server, mut ids) = open_server(|limits| limits.outbox_frames = 1);
    let join = || Frame::Message(null());
    server.handle_frame(from_client(&mut ids, 1, join()), Time::ZERO);
    let Some(Event::Request(first)) = server.poll_event() else { panic!("not started") };
    let answer = Command::Answer(first.work, Answer::Ok(null()));
    server.handle_command(answer, Time::ZERO).expect("a request of ours");
    server.handle_frame(from_client(&mut ids, 2, join()), Time::ZERO);
    assert_eq!(server.poll_event(), None, "the first answer is not acknowledged");

    while server.poll_transmit().is_some() {}
    let mut third = from_client(&mut ids, 3, join());
    third.head.ack = Some(1);
    server.handle_frame(third, Time::ZERO);
    assert!(matches!(server.poll_event(), Some(Event::Request(_))));
}

#[test]
fn a_blocked_transport_gathers_one_acknowledgement() {
    let (mut server, mut ids) = open_server(|limits| limits.max_queued = 1000);
    assert!(server.poll_transmit().is_some(), "the welcome");
    for seq in 1..=200 {
        server.handle_frame(from_client(&mut ids, seq, Frame::Message(null())), Time::ZERO);
    }
    let mut now = Time::ZERO;
    for _ in 0..5 {
        now = now + Duration::from_secs(1);
        server.handle_timeout(now);
    }
    let sent = std::iter::from_fn(|| server.poll_transmit()).count();
    assert_eq!(sent, 1, "one `$ack` for two hundred frames and five seconds");
}

#[test]
fn an_answer_to_a_request_that_waits_is_ignored() {
    let (mut server, mut ids) = open_server(|limits| limits.max_in_flight = 1);
    for seq in 1..=2 {
        server.handle_frame(from_client(&mut ids, seq, Frame::Message(null())), Time::ZERO);
    }
    let Some(Event::Request(first)) = server.poll_event() else { panic!("not started") };
    for work in [WorkId(first.work.0 + 1), first.work] {
        let answer = Command::Answer(work, Answer::Ok(null()));
        server.handle_command(answer, Time::ZERO).expect("answers are never misuse");
    }
    assert!(matches!(server.poll_event(), Some(Event::Request(_))), "the second one starts");
}
