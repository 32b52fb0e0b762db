//! What a session keeps: the messages that it sent, and what it works on.

use crate::{
    greeting::{acceptance, hello, null},
    session_pair::config,
};
use bytes::Bytes;
use ws_proto::{
    Answer, CloseCode, Envelope, Format, Frame, Head, IdSource, Raw, frame::NotResumed,
};
use ws_runtime::session::{
    Command, Event, Leaving, Resumption, Session, Side, Time, Transmit, WorkId, Workspace,
};

/// A server whose client has asked this many things, and the names of those.
fn asked(count: u64) -> (Session, Vec<WorkId>) {
    let mut server = Session::new(Side::Server, config(1), Time::ZERO);
    let mut ids = IdSource::new(9);
    let mut message = |kind: &'static str, seq, frame| {
        let mut head = Head::new(kind.into(), ids.next(0), 0);
        head.seq = seq;
        Envelope { head, frame }
    };
    server.handle_frame(message("$hello", None, Frame::Hello(Box::new(hello()))), Time::ZERO);
    let accept = Command::Accept(Box::new(acceptance()));
    server.handle_command(accept, Time::ZERO).expect("there was a hello");
    assert!(matches!(&*leaving(&mut server), [Message::Other(Frame::Welcome(_))]));
    while server.poll_event().is_some() {}
    let works = (1..=count).map(|seq| {
        server.handle_frame(message("join", Some(seq), Frame::Message(null())), Time::ZERO);
        match server.poll_event() {
            Some(Event::Request(request)) => request.work,
            other => panic!("not a request but {other:?}"),
        }
    });
    let works = works.collect();
    (server, works)
}

/// What left, in JSON.
#[derive(Debug)]
enum Message {
    /// Kept until it is acknowledged.
    Kept(Bytes),
    Other(Frame),
}

fn leaving(session: &mut Session) -> Vec<Message> {
    let mut out = b"what left before".to_vec();
    let mut left = Vec::new();
    while let Some(leaving) = session.poll_leaving(Time::ZERO, Format::Json, &mut out) {
        left.push(match leaving {
            Leaving::Encoded => Message::Kept(Bytes::copy_from_slice(&out)),
            Leaving::Given(Transmit::Envelope(envelope)) => Message::Other(envelope.frame),
            Leaving::Given(other) => panic!("nobody listens: {other:?}"),
        });
    }
    left
}

fn answer(server: &mut Session, work: WorkId, payload: Raw) {
    let answer = Command::Answer(work, Answer::Ok(payload));
    server.handle_command(answer, Time::ZERO).expect("never misuse");
}

fn lose(session: &mut Session) {
    let lost = Command::Disconnected(None, "lost".to_owned());
    session.handle_command(lost, Time::ZERO).expect("never misuse");
    while session.poll_event().is_some() {}
}

fn resume(server: &mut Session, recv: u64) {
    let resumption = Resumption { acceptance: acceptance(), recv, limits: None };
    let resume = Command::Resume(Box::new(resumption));
    server.handle_command(resume, Time::ZERO).expect("all of it is kept");
}

#[test]
fn what_is_sent_again_is_what_was_sent_but_for_the_acknowledgement() {
    let (mut server, works) = asked(2);
    for (work, text) in works.into_iter().zip(["one", "zwei"]) {
        answer(&mut server, work, Raw::encode(Format::Json, text).unwrap());
    }
    let sent: Vec<_> = leaving(&mut server)
        .into_iter()
        .map(|message| match message {
            Message::Kept(message) => Envelope::decode(Format::Json, &message).unwrap(),
            Message::Other(other) => panic!("not kept: {other:?}"),
        })
        .collect();
    let places = |sent: &[Envelope]| -> Vec<_> {
        sent.iter().map(|Envelope { head, .. }| (head.seq, head.ack)).collect()
    };
    assert_eq!(places(&sent), [(Some(1), Some(2)), (Some(2), None)]);
    for recv in [0, 0, 1, 2] {
        lose(&mut server);
        resume(&mut server, recv);
        let again = std::iter::from_fn(|| server.poll_transmit(Time::ZERO)).skip(1);
        let again = again.map(|transmit| match transmit {
            Transmit::Envelope(envelope) => *envelope,
            other => panic!("nobody listens: {other:?}"),
        });
        let again: Vec<_> = again.collect();
        let mut expected = sent[usize::try_from(recv).unwrap()..].to_vec();
        for envelope in &mut expected {
            envelope.head.ack = None;
        }
        assert_eq!(format!("{again:?}"), format!("{expected:?}"));
    }
}

#[test]
fn a_message_that_cannot_be_encoded_is_given_and_ends_the_session() {
    let (mut server, works) = asked(1);
    answer(&mut server, works[0], Raw::new(Format::MessagePack, Bytes::from_static(b"\xc1")));
    let left = leaving(&mut server);
    assert!(matches!(left.as_slice(), [Message::Other(Frame::Message(_))]), "{left:?}");
    lose(&mut server);
    assert_eq!(server.can_resume(1, 0), Err(NotResumed::Overrun));
}

#[test]
fn what_no_peer_understands_is_not_sent_again() {
    let (mut server, works) = asked(1);
    answer(&mut server, works[0], Raw::new(Format::Json, Bytes::from_static(b"no value")));
    assert!(matches!(leaving(&mut server).as_slice(), [Message::Kept(_)]));
    lose(&mut server);
    resume(&mut server, 0);
    let left = leaving(&mut server);
    let [Message::Other(Frame::Welcome(_)), Message::Other(Frame::Close(close))] = &*left else {
        panic!("not a close but {left:?}")
    };
    assert_eq!(close.code, CloseCode::INTERNAL);
    while server.poll_event().is_some() {}
    assert_eq!(server.can_resume(1, 0), Err(NotResumed::Overrun));
}

#[test]
fn what_a_session_works_on_stays_with_it_when_its_memory_is_exchanged() {
    let mut workspace = Workspace::default();
    let (mut running, works) = asked(2);
    running.exchange(&mut workspace);
    for work in works {
        answer(&mut running, work, null());
    }
    running.exchange(&mut workspace);
    let (mut waiting, works) = asked(2);
    for work in works {
        answer(&mut waiting, work, null());
    }
    waiting.exchange(&mut workspace);
    for mut session in [running, waiting] {
        let left = leaving(&mut session);
        assert!(matches!(&*left, [Message::Kept(_), Message::Kept(_)]), "{left:?}");
    }
}
