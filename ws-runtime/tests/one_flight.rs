//! What a client says right behind its hello (`docs/protocol.md`, section 4, "One flight").

use crate::greeting::{acceptance, hello, null};
use crate::speaker::Speaker;
use crate::support::{App, Hall, HallEvent, Lab};
use serde_json::{Value, json};
use std::{future::poll_fn, time::Duration};
use tokio::time::timeout;
use ws_proto::{
    Address, CloseCode, Credentials, Envelope, Format, Frame, Head, IdSource, Limits, Position,
    VersionRange,
};
use ws_runtime::{
    Client, Server, ServerConfig,
    session::{
        Call, CallId, Command, Config, Contract, Event, Outcome, Reply, Session, Side, Time,
        Transmit,
    },
    transport::{Received, Transport, memory},
};

/// The clock is a virtual one: a server that hangs costs no time.
const HANG: Duration = Duration::from_secs(60);

fn config(seed: u64) -> Config {
    let versions = VersionRange::new(1, 1);
    let mut config = Config::new(Contract { name: "chat", versions, requests: &[] });
    config.seed = seed;
    config.limits.rate_per_s = 50;
    config.limits.rate_burst = 10;
    config
}

fn client() -> Session {
    Session::new(Side::Client, config(1), Time::ZERO)
}

fn connect(client: &mut Session) {
    client.handle_command(Command::Connect(Box::new(hello())), Time::ZERO).unwrap();
}

fn subscribe(client: &mut Session, address: &str, since: Option<Position>) {
    let address = Address::parse(address.to_owned()).unwrap();
    client.handle_command(Command::Subscribe(address, since), Time::ZERO).unwrap();
}

fn call(client: &mut Session, number: u64) {
    let call = Call {
        call: CallId(number),
        kind: "join".into(),
        payload: null(),
        versions: (1, None),
        ttl: None,
        key: None,
        credit: 0,
    };
    client.handle_command(Command::Call(Box::new(call)), Time::ZERO).unwrap();
}

/// What leaves now: type, and place.
fn sent(session: &mut Session) -> Vec<(String, Option<u64>)> {
    let transmits = std::iter::from_fn(|| session.poll_transmit(Time::ZERO));
    transmits
        .map(|transmit| match transmit {
            Transmit::Envelope(envelope) => (envelope.head.kind.to_string(), envelope.head.seq),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn told(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

/// Everything that one side has goes to the other.
fn carry(from: &mut Session, to: &mut Session) {
    while let Some(Transmit::Envelope(envelope)) = from.poll_transmit(Time::ZERO) {
        to.handle_frame(Envelope::clone(&envelope), Time::ZERO);
    }
}

fn lose(session: &mut Session) {
    session.handle_command(Command::Disconnected(None, "cut".into()), Time::ZERO).unwrap();
    told(session);
}

fn sub(seq: u64) -> (String, Option<u64>) {
    ("$sub".to_owned(), Some(seq))
}

fn greeting() -> (String, Option<u64>) {
    ("$hello".to_owned(), None)
}

#[test]
fn subscriptions_leave_with_the_hello_of_a_new_session() {
    let mut client = client();
    subscribe(&mut client, "room/before", None);
    connect(&mut client);
    subscribe(&mut client, "room/after", None);
    assert_eq!(sent(&mut client), [greeting(), sub(1), sub(2)]);
}

#[test]
fn a_request_waits_for_the_welcome_and_so_does_what_stands_behind_it() {
    let mut client = client();
    call(&mut client, 1);
    connect(&mut client);
    subscribe(&mut client, "room/a", None);
    assert_eq!(sent(&mut client), [greeting()]);
    assert!(!client.has_left(CallId(1)));
    lose(&mut client);
    connect(&mut client);
    let closed = Command::Close(CloseCode::NORMAL, "bye".into());
    client.handle_command(closed, Time::ZERO).unwrap();
    let lost = |event: &Event| matches!(event, Event::Answered(_, Reply::Lost(Outcome::Unknown)));
    assert!(!told(&mut client).iter().any(lost), "it never left");
}

#[test]
fn no_more_leaves_than_a_server_takes_that_names_no_bounds_yet() {
    let mut client = client();
    for room in 0..20 {
        subscribe(&mut client, &format!("room/{room}"), None);
    }
    connect(&mut client);
    assert_eq!(sent(&mut client).len(), 1 + Limits::EARLY_FRAMES);
    let since = |letters| Some(Position { epoch: "e".repeat(letters), off: 1 });
    for (letters, frames) in [(256, 2), (257, 1)] {
        let mut client = self::client();
        subscribe(&mut client, &format!("room/{}", "a".repeat(250)), since(letters));
        connect(&mut client);
        let transmits: Vec<_> = std::iter::from_fn(|| client.poll_transmit(Time::ZERO)).collect();
        assert_eq!(transmits.len(), frames, "{letters}");
        for transmit in transmits {
            let Transmit::Envelope(envelope) = transmit else { panic!("{transmit:?}") };
            for format in Format::ALL {
                let mut message = Vec::new();
                envelope.encode(format, &mut message).unwrap();
                assert!(message.len() <= Limits::MIN_FRAME, "{format:?}: {}", message.len());
            }
        }
    }
}

#[test]
fn both_sides_agree_about_what_was_said_before_the_welcome() {
    let (mut client, mut limited) = (client(), config(2));
    limited.limits.max_subs = 3;
    let mut server = Session::new(Side::Server, limited, Time::ZERO);
    for room in ["room/a", "room/b"] {
        subscribe(&mut client, room, None);
    }
    connect(&mut client);
    carry(&mut client, &mut server);
    assert!(matches!(told(&mut server)[..], [Event::Hello(..)]), "nothing before the decision");
    server.handle_command(Command::Accept(Box::new(acceptance())), Time::ZERO).unwrap();
    carry(&mut server, &mut client);
    assert!(matches!(told(&mut client)[..], [Event::Welcome(_)]));
    assert!(matches!(told(&mut server)[..], [Event::Subscribe(..), Event::Subscribe(..)]));
    // The places go on where they were.
    subscribe(&mut client, "room/c", None);
    assert_eq!(sent(&mut client), [sub(3)]);
}

#[test]
fn what_was_asked_before_a_welcome_that_never_came_is_asked_again() {
    let mut client = client();
    subscribe(&mut client, "room/a", None);
    for _ in 0..3 {
        connect(&mut client);
        assert_eq!(sent(&mut client), [greeting(), sub(1)]);
        lose(&mut client);
    }
}

#[test]
fn a_client_that_resumes_waits_for_the_welcome() {
    let (mut client, mut server) = (client(), Session::new(Side::Server, config(2), Time::ZERO));
    connect(&mut client);
    carry(&mut client, &mut server);
    server.handle_command(Command::Accept(Box::new(acceptance())), Time::ZERO).unwrap();
    carry(&mut server, &mut client);
    lose(&mut client);
    subscribe(&mut client, "room/a", None);
    connect(&mut client);
    assert_eq!(sent(&mut client), [greeting()]);
}

#[test]
fn the_rate_of_a_client_counts_what_left_before_the_welcome() {
    let (mut client, mut server) = (client(), Session::new(Side::Server, config(2), Time::ZERO));
    for room in 0..3 {
        subscribe(&mut client, &format!("room/{room}"), None);
    }
    connect(&mut client);
    carry(&mut client, &mut server);
    server.handle_command(Command::Accept(Box::new(acceptance())), Time::ZERO).unwrap();
    carry(&mut server, &mut client);
    for room in 3..20 {
        subscribe(&mut client, &format!("room/{room}"), None);
    }
    // A burst of 10, of which a quarter is a reserve: the hello, three, and as many more.
    assert_eq!(sent(&mut client).len(), 7 - 4);
}

fn request(speaker: &mut Speaker, seq: u64) -> String {
    speaker.send("echo", json!({"seq": seq}), &json!({"text": seq.to_string()}))
}

fn say_hello(speaker: &mut Speaker, token: &str) {
    let hello = json!({"protocol": "lab", "version": [1, 3], "auth": {"token": token}});
    speaker.send("$hello", json!({}), &hello);
}

async fn hear(speaker: &mut Speaker) -> Value {
    timeout(HANG, speaker.message()).await.expect("nothing comes")
}

#[tokio::test(start_paused = true)]
async fn a_server_answers_in_order_behind_its_welcome() {
    for token in ["ann", "late"] {
        let app = App::default();
        let server = Server::<Lab>::new(app.clone());
        let mut speaker = Speaker::connect(&server, Credentials::default());
        say_hello(&mut speaker, token);
        speaker.send("$sub", json!({"seq": 1, "ch": "hall/x"}), &json!({}));
        let asked = request(&mut speaker, 2);
        if token == "late" {
            app.0.waiting.notified().await;
            app.0.go_on.notify_one();
        }
        let heard = [hear(&mut speaker).await, hear(&mut speaker).await, hear(&mut speaker).await];
        let kinds = heard.each_ref().map(|message| message["type"].as_str().unwrap());
        assert_eq!(kinds, ["$welcome", "$ok", "echo.ok"], "{token}");
        assert_eq!(heard[2]["re"], asked, "{token}");
        assert!(speaker.said().await.iter().all(|kind| kind == "$ack"), "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_no_place_closes_a_connection_that_is_not_decided_about() {
    let app = App::default();
    let server = Server::<Lab>::new(app.clone());
    let mut speaker = Speaker::connect(&server, Credentials::default());
    say_hello(&mut speaker, "late");
    app.0.waiting.notified().await;
    speaker.send("$ping", json!({}), &json!({"t": 1}));
    assert_eq!(speaker.closed().await, u64::from(CloseCode::NO_HELLO.0));
}

#[tokio::test(start_paused = true)]
async fn what_a_server_does_not_hold_is_read_when_it_has_decided() {
    let mut limits = Limits::default();
    (limits.rate_burst, limits.max_queued) = (10_000, 10_000);
    let app = App::default();
    let config = ServerConfig { limits, ..ServerConfig::default() };
    let server = Server::<Lab>::with_config(app.clone(), config).unwrap();
    let mut speaker = Speaker::connect(&server, Credentials::default());
    say_hello(&mut speaker, "late");
    app.0.waiting.notified().await;
    let asked: Vec<_> = (1..=200).map(|seq| request(&mut speaker, seq)).collect();
    // As many turns of the server as it likes, and none in which it decides.
    tokio::time::sleep(Duration::from_secs(1)).await;
    app.0.go_on.notify_one();
    assert_eq!(hear(&mut speaker).await["type"], "$welcome");
    let mut answered = Vec::new();
    while answered.len() < asked.len() {
        let message = hear(&mut speaker).await;
        if message["type"] == "echo.ok" {
            answered.push(message["re"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(answered, asked);
}

#[test]
fn a_server_that_decides_reads_no_more_than_a_client_may_say() {
    let mut session = Session::new(Side::Server, config(2), Time::ZERO);
    let mut greeter = client();
    connect(&mut greeter);
    carry(&mut greeter, &mut session);
    let mut taken = 0;
    let mut ids = IdSource::new(7);
    while session.wants_frames() {
        taken += 1;
        let mut head = Head::new("join".into(), ids.next(0), 0);
        head.seq = Some(taken);
        session.handle_frame(Envelope { head, frame: Frame::Message(null()) }, Time::ZERO);
    }
    assert_eq!(taken, Limits::EARLY_FRAMES as u64);
    session.handle_command(Command::Accept(Box::new(acceptance())), Time::ZERO).unwrap();
    assert!(session.wants_frames());
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_was_not_worked_for() {
    let app = App::default();
    let server = Server::<Lab>::new(app.clone());
    let mut speaker = Speaker::connect(&server, Credentials::default());
    say_hello(&mut speaker, "wrong");
    request(&mut speaker, 1);
    assert_eq!(hear(&mut speaker).await["type"], "$reject");
    let next = timeout(HANG, speaker.next()).await.expect("it is closed");
    assert!(matches!(next, Received::Closed { .. } | Received::Lost(_)), "{next:?}");
}

/// The server's end in the hands of the test, which keeps its welcome back until it has heard both
/// words of the client.
#[tokio::test(start_paused = true)]
async fn a_lazy_client_listens_after_one_round_trip() {
    let server = Server::<Lab>::new(App::default());
    let (to_test, mut from_client) = tokio::sync::mpsc::unbounded_channel();
    let client = Client::<Lab>::builder("ws://memory")
        .token(|| async { "ann".to_owned() })
        .connector(move |format| {
            let (ours, theirs) = memory::pair(format, &Limits::default());
            to_test.send(theirs).unwrap();
            let transport: Box<dyn Transport> = Box::new(ours);
            Box::pin(std::future::ready(Ok(transport)))
        })
        .connect_lazy();
    let listening = tokio::spawn(async move {
        let mut events = client.subscribe(Hall { name: "x".into() }).await.unwrap();
        events.next().await
    });
    let mut near = from_client.recv().await.unwrap();
    let (mut ours, theirs) = memory::pair(Format::Json, &Limits::default());
    let mut said = Vec::new();
    while said.len() < 2 {
        let received = timeout(HANG, poll_fn(|cx| near.poll_recv(cx))).await;
        let Received::Message(message) = received.expect("it waits for its welcome") else {
            panic!("closed")
        };
        let envelope = Envelope::decode(Format::Json, &message).unwrap();
        said.push(envelope.head.kind.to_string());
        ours.start_send(&message).unwrap();
    }
    assert_eq!(said, ["$hello", "$sub"]);
    let host = server.clone();
    tokio::spawn(async move { host.serve(Box::new(theirs), Credentials::default()).await });
    for kind in ["$welcome", "$ok"] {
        let Received::Message(message) = poll_fn(|cx| ours.poll_recv(cx)).await else {
            panic!("closed")
        };
        assert_eq!(Envelope::decode(Format::Json, &message).unwrap().head.kind, kind);
        near.start_send(&message).unwrap();
    }
    let event = HallEvent::Said { text: "hi".into() };
    server.publish(Hall { name: "x".into() }, &event).await.unwrap();
    let Received::Message(message) = poll_fn(|cx| ours.poll_recv(cx)).await else {
        panic!("closed")
    };
    near.start_send(&message).unwrap();
    assert_eq!(listening.await.unwrap(), Some(Ok(event)));
}
