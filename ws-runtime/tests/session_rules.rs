//! What holds for a pair of sessions whatever the applications, the peers and the network do.

use crate::session_pair::{
    Pair, acceptance, acts, config, delivering_acts, hello, honest_acts, null, upload_acts,
};
use bytestring::ByteString;
use proptest::{collection::vec, prelude::*};
use std::time::Duration;
use ws_proto::{
    Address, Answer, CloseCode, Envelope, FaultCode, Format, Frame, Head, IdSource, Limits,
    frame::{Credit, Done, NotResumed, Subscribe},
};
use ws_runtime::session::{
    Call, CallId, Command, Delivery, Event, Misuse, Outcome, Reply, Resumption, Session, Side,
    Time, Transmit, WorkId, Workspace,
};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

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
        prop_assert!(pair.is_all_answered(), "{:?}", pair.asked.answers);
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
        prop_assert!(pair.is_all_answered(), "{:?}", pair.asked.answers);
    }

    #[test]
    fn each_part_arrives_once_and_in_order_over_lost_connections(
        acts in vec(upload_acts(), 40..200),
    ) {
        let mut pair = Pair::keeping();
        pair.open();
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

    #[test]
    fn deliveries_move_no_deadline(acts in vec(delivering_acts(), 0..60)) {
        let mut pair = Pair::new();
        pair.open();
        pair.listen();
        for act in acts {
            pair.act_after_rest(&act);
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
        while server.poll_transmit(Time::ZERO).is_some() {}
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

    while server.poll_transmit(Time::ZERO).is_some() {}
    let mut third = from_client(&mut ids, 3, join());
    third.head.ack = Some(1);
    server.handle_frame(third, Time::ZERO);
    assert!(matches!(server.poll_event(), Some(Event::Request(_))));
}

#[test]
fn a_blocked_transport_gathers_one_acknowledgement() {
    let (mut server, mut ids) = open_server(|limits| limits.max_queued = 1000);
    assert!(server.poll_transmit(Time::ZERO).is_some(), "the welcome");
    for seq in 1..=200 {
        server.handle_frame(from_client(&mut ids, seq, Frame::Message(null())), Time::ZERO);
    }
    let mut now = Time::ZERO;
    for _ in 0..5 {
        now = now + Duration::from_secs(1);
        server.handle_timeout(now);
    }
    let sent = std::iter::from_fn(|| server.poll_transmit(now)).count();
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

fn lose(server: &mut Session) {
    let lost = Command::Disconnected(None, "lost".to_owned());
    server.handle_command(lost, Time::ZERO).expect("a loss is no misuse");
    while server.poll_event().is_some() {}
}

fn resume(recv: u64) -> Command {
    let resumption = Resumption { acceptance: acceptance(), recv, limits: None };
    Command::Resume(Box::new(resumption))
}

#[test]
fn a_resume_makes_room_for_requests_that_wait() {
    let (mut server, mut ids) = open_server(|limits| limits.outbox_frames = 1);
    let join = || Frame::Message(null());
    server.handle_frame(from_client(&mut ids, 1, join()), Time::ZERO);
    let Some(Event::Request(first)) = server.poll_event() else { panic!("not started") };
    let answer = Command::Answer(first.work, Answer::Ok(null()));
    server.handle_command(answer, Time::ZERO).expect("a request of ours");
    while server.poll_transmit(Time::ZERO).is_some() {}
    server.handle_frame(from_client(&mut ids, 2, join()), Time::ZERO);
    lose(&mut server);

    server.handle_command(resume(1), Time::ZERO).expect("the client has the answer");
    assert!(matches!(server.poll_event(), Some(Event::Request(_))));
}

#[test]
fn events_of_logs_that_waited_at_the_loss_are_left_to_the_log() {
    let (mut server, mut ids) = open_server(|_| {});
    let mut subscribe = from_client(&mut ids, 1, Frame::Subscribe(Subscribe::default()));
    subscribe.head.ch = Some(ByteString::from_static("room/lobby"));
    server.handle_frame(subscribe, Time::ZERO);
    let Some(Event::Subscribe(ticket, address, _)) = server.poll_event() else {
        panic!("not asked")
    };
    let decide = Command::Decide(ticket, Ok(Done { off: Some(5), ..Done::default() }));
    server.handle_command(decide, Time::ZERO).expect("a question of the session");
    while server.poll_transmit(Time::ZERO).is_some() {}
    let live = Command::Deliver(address.clone(), Delivery::Live(5));
    server.handle_command(live, Time::ZERO).expect("a subscription");
    lose(&mut server);

    server.handle_command(resume(1), Time::ZERO).expect("the client has the answer");
    assert_eq!(server.subscriptions(), [address]);
    let sent: Vec<_> = std::iter::from_fn(|| server.poll_transmit(Time::ZERO)).collect();
    assert_eq!(sent.len(), 1, "only the welcome: {sent:?}");
}

#[test]
fn a_session_that_left_out_an_answer_is_not_resumed() {
    let (mut server, mut ids) = open_server(|limits| limits.outbox_frames = 1);
    for seq in 1..=3 {
        server.handle_frame(from_client(&mut ids, seq, Frame::Unsubscribe), Time::ZERO);
        while server.poll_transmit(Time::ZERO).is_some() {}
    }
    assert!(server.is_ending(), "the third answer found no room");
    lose(&mut server);
    for recv in 0..3 {
        assert_eq!(server.can_resume(1, recv), Err(NotResumed::Overrun));
        assert_eq!(server.handle_command(resume(recv), Time::ZERO), Err(Misuse::CannotResume));
    }
}

#[test]
fn a_session_that_never_began_is_not_resumed() {
    let mut server = Session::new(Side::Server, config(1), Time::ZERO);
    lose(&mut server);
    assert_eq!(server.can_resume(1, 0), Err(NotResumed::VersionChanged));
    assert_eq!(server.handle_command(resume(0), Time::ZERO), Err(Misuse::CannotResume));
}

#[test]
fn duplicates_count_towards_the_rate() {
    let (mut server, mut ids) = open_server(|limits| {
        limits.rate_per_s = 1;
        limits.rate_burst = 4;
    });
    let first = from_client(&mut ids, 1, Frame::Message(null()));
    for _ in 0..10 {
        server.handle_frame(first.clone(), Time::ZERO);
    }
    while server.poll_transmit(Time::ZERO).is_some() {}
    let closed = std::iter::from_fn(|| server.poll_event()).last();
    let Some(Event::Closed(closed)) = closed else { panic!("not closed but {closed:?}") };
    assert_eq!(closed.code, CloseCode::RATE_LIMITED);
}

#[test]
fn a_client_that_waits_for_the_rate_is_due_once_and_then_sends() {
    let mut client = Session::new(Side::Client, config(1), Time::ZERO);
    client.handle_command(Command::Connect(Box::new(hello())), Time::ZERO).expect("idle");
    while client.poll_transmit(Time::ZERO).is_some() {}
    let (mut server, _) = open_server(|limits| {
        limits.rate_per_s = 3;
        limits.rate_burst = 1;
    });
    let Some(Transmit::Envelope(welcome)) = server.poll_transmit(Time::ZERO) else {
        panic!("no welcome")
    };
    client.handle_frame(*welcome, Time::ZERO);
    for room in ["room/a", "room/b"] {
        let address = Address::parse(room).expect("an address");
        client.handle_command(Command::Subscribe(address, None), Time::ZERO).expect("new");
    }
    while client.poll_transmit(Time::ZERO).is_some() {}
    // Clocks run on between two questions, so what was due a moment before must not be due again.
    let asked = Time::new(Duration::from_micros(100));
    client.handle_timeout(asked);
    let due = client.poll_timeout().expect("a frame waits");
    assert_eq!(due, Time::new(Duration::from_micros(333_334)));
    client.handle_timeout(due);
    let next = client.poll_timeout().expect("the heartbeat");
    assert!(next > due + Duration::from_secs(1), "due again at {next}");
    let Some(Transmit::Envelope(second)) = client.poll_transmit(due) else { panic!("not sent") };
    assert!(matches!(second.frame, Frame::Subscribe(_)));
}

#[test]
fn many_consumed_channels_are_told_in_messages_that_the_server_takes() {
    let mut client = Session::new(Side::Client, config(1), Time::ZERO);
    client.handle_command(Command::Connect(Box::new(hello())), Time::ZERO).expect("idle");
    let mut ids = IdSource::new(9);
    let mut server = |frame: Frame, set: &dyn Fn(&mut Head)| {
        let kind = frame.control_type().unwrap_or("room.said");
        let mut head = Head::new(ByteString::from_static(kind), ids.next(0), 0);
        set(&mut head);
        Envelope { head, frame }
    };
    let (mut limited, _) = open_server(|limits| limits.max_frame = 1024);
    let Some(Transmit::Envelope(welcome)) = limited.poll_transmit(Time::ZERO) else {
        panic!("no welcome")
    };
    client.handle_frame(*welcome, Time::ZERO);
    for room in 1..=8 {
        let address = Address::parse(format!("room/{room:0>100}")).expect("an address");
        let now = Time::ZERO;
        client.handle_command(Command::Subscribe(address.clone(), None), now).expect("new");
        let sent = std::iter::from_fn(|| client.poll_transmit(Time::ZERO)).last();
        let Some(Transmit::Envelope(sub)) = sent else { panic!("not asked but {sent:?}") };
        let asked = sub.head.id;
        let done = Done { epoch: Some("e1".to_owned()), off: Some(0), ..Done::default() };
        client.handle_frame(
            server(Frame::Done(done), &|head| {
                head.re = Some(asked);
                head.seq = Some(room);
            }),
            now,
        );
        let text = address.text().clone();
        client.handle_frame(
            server(Frame::Message(null()), &|head| {
                head.ch = Some(text.clone());
                (head.off, head.prev) = (Some(1), Some(0));
            }),
            now,
        );
        client.handle_command(Command::Consumed(address, 1), now).expect("was delivered");
    }
    let later = Time::new(Duration::from_secs(20));
    client.handle_timeout(later);
    let mut told = 0;
    while let Some(Transmit::Envelope(envelope)) = client.poll_transmit(later) {
        let Frame::Ack(ack) = &envelope.frame else { continue };
        told += ack.ch.len();
        let mut message = Vec::new();
        envelope.encode(Format::Json, &mut message).expect("an acknowledgement");
        assert!(message.len() <= 1024, "{} bytes", message.len());
    }
    assert_eq!(told, 8);
}

fn frames(session: &mut Session) -> Vec<Frame> {
    let sent = std::iter::from_fn(|| session.poll_transmit(Time::ZERO));
    let frame = |transmit| match transmit {
        Transmit::Envelope(envelope) => envelope.frame,
        Transmit::Shared(_) | Transmit::Batch(_) => panic!("an event"),
    };
    sent.map(frame).collect()
}

#[test]
fn an_unsubscribe_finds_room_where_other_channel_commands_do_not() {
    let (mut server, mut ids) = open_server(|limits| limits.max_queued = 2);
    let at_lobby = |mut envelope: Envelope| {
        envelope.head.ch = Some(ByteString::from_static("room/lobby"));
        envelope
    };
    let subscribe = Frame::Subscribe(Subscribe::default());
    server.handle_frame(at_lobby(from_client(&mut ids, 1, subscribe)), Time::ZERO);
    let Some(Event::Subscribe(first, ..)) = server.poll_event() else { panic!("not asked") };
    for seq in 2..=3 {
        let publish = from_client(&mut ids, seq, Frame::Message(null()));
        server.handle_frame(at_lobby(publish), Time::ZERO);
    }
    server.handle_frame(from_client(&mut ids, 4, Frame::Unsubscribe), Time::ZERO);
    // A second one says nothing that the first does not: it may be refused, and is bounded so.
    server.handle_frame(from_client(&mut ids, 5, Frame::Unsubscribe), Time::ZERO);
    let sent = frames(&mut server);
    let refused = |frame: &&Frame| match frame {
        Frame::Fault(fault) => fault.code == FaultCode::Overloaded,
        _ => false,
    };
    assert_eq!(sent.iter().filter(refused).count(), 2, "a publish and the second: {sent:?}");

    server.handle_command(Command::Decide(first, Ok(Done::default())), Time::ZERO).expect("open");
    let Some(Event::Publish(second, _)) = server.poll_event() else { panic!("not asked") };
    server.handle_command(Command::Decide(second, Ok(Done::default())), Time::ZERO).expect("open");
    assert!(matches!(server.poll_event(), Some(Event::Unsubscribe(_))));
    assert_eq!(server.subscriptions(), []);
}

#[test]
fn what_a_session_has_to_tell_stays_with_it_when_its_memory_is_exchanged() {
    let mut workspace = Workspace::default();
    let (mut one, mut ids) = open_server(|_| {});
    let (mut other, mut other_ids) = open_server(|_| {});
    let ask = |ids: &mut IdSource, room| {
        let mut envelope = from_client(ids, 1, Frame::Subscribe(Subscribe::default()));
        envelope.head.ch = Some(ByteString::from_static(room));
        envelope
    };
    one.exchange(&mut workspace);
    one.handle_frame(ask(&mut ids, "room/one"), Time::ZERO);
    one.exchange(&mut workspace);
    other.exchange(&mut workspace);
    other.handle_frame(ask(&mut other_ids, "room/other"), Time::ZERO);
    other.exchange(&mut workspace);
    for (mut session, room) in [(one, "room/one"), (other, "room/other")] {
        let told: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
        let is_asked =
            |event: &Event| matches!(event, Event::Subscribe(_, at, _) if at.as_str() == room);
        assert!(told.last().is_some_and(is_asked), "{told:?}");
        assert_eq!(told.iter().filter(|event| is_asked(event)).count(), 1);
    }
}

/// A client with an open connection whose server acknowledges nothing.
fn open_client(outbox_frames: usize) -> Session {
    let mut config = config(1);
    config.limits.outbox_frames = outbox_frames;
    let mut client = Session::new(Side::Client, config, Time::ZERO);
    client.handle_command(Command::Connect(Box::new(hello())), Time::ZERO).expect("idle");
    let (mut server, _) = open_server(|_| {});
    let Some(Transmit::Envelope(welcome)) = server.poll_transmit(Time::ZERO) else {
        panic!("no welcome")
    };
    client.handle_frame(*welcome, Time::ZERO);
    while client.poll_transmit(Time::ZERO).is_some() {}
    client
}

fn call(call: u64, credit: u32) -> Command {
    Command::Call(Box::new(Call {
        call: CallId(call),
        kind: ByteString::from_static("save"),
        payload: null(),
        ttl: None,
        key: None,
        versions: (1, None),
        credit,
    }))
}

#[test]
fn credit_and_cancel_pass_a_full_outbox() {
    let mut client = open_client(3);
    client.handle_command(call(1, 2), Time::ZERO).expect("there is room");
    client.handle_command(call(2, 0), Time::ZERO).expect("there is room");
    assert_eq!(frames(&mut client).len(), 3);
    assert!(!client.has_room());

    // The handlers of both calls may wait for these, and nothing is acknowledged before they end.
    for n in [5, 6] {
        client.handle_command(Command::Credit(CallId(1), n), Time::ZERO).expect("never misuse");
    }
    client.handle_command(Command::Cancel(CallId(2)), Time::ZERO).expect("never misuse");
    let sent = frames(&mut client);
    assert_eq!(sent, [Frame::Credit(Credit { n: 11 }), Frame::Cancel], "credit that waits adds up");
}

#[test]
fn credit_past_twice_the_outbox_ends_the_connection() {
    let mut client = open_client(3);
    client.handle_command(call(1, 2), Time::ZERO).expect("there is room");
    let mut sent = frames(&mut client);
    for _ in 0..5 {
        client.handle_command(Command::Credit(CallId(1), 1), Time::ZERO).expect("never misuse");
        sent.extend(frames(&mut client));
    }
    assert_eq!(sent.len(), 2 + 4 + 1, "no more than twice the outbox, and `$close`: {sent:?}");
    let closed = std::iter::from_fn(|| client.poll_event()).last();
    let Some(Event::Closed(closed)) = closed else { panic!("not closed but {closed:?}") };
    assert_eq!(closed.code, CloseCode::TOO_SLOW);
}

#[test]
fn a_call_says_what_is_left_of_its_time_when_it_leaves() {
    let mut client = open_client(8);
    for (id, ttl) in [(1, 1_000), (2, 500)] {
        let Command::Call(mut call) = call(id, 0) else { unreachable!("it makes calls") };
        call.ttl = Some(Duration::from_millis(ttl));
        client.handle_command(Command::Call(call), Time::ZERO).expect("there is room");
    }
    // The socket was full so long, and nothing else happened.
    let now = Time::new(Duration::from_millis(600));
    let sent: Vec<_> = std::iter::from_fn(|| client.poll_transmit(now)).collect();
    let [Transmit::Envelope(first)] = &*sent else {
        panic!("the second is worth nothing: {sent:?}")
    };
    assert_eq!(first.head.ttl, Some(400));
    let told = std::iter::from_fn(|| client.poll_event()).last();
    let lost = Reply::Timeout(Outcome::NotSent);
    assert_eq!(told, Some(Event::Answered(CallId(2), lost)));
}
