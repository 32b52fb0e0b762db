//! Clients and a server on real sockets, and between them a proxy that loses connections all the
//! time: nothing is lost, nothing is there twice, nothing is out of order.
//!
//! `WS_PROTO_CHAOS_RECONNECTS` says how many connections are lost; `cargo xtask chaos` sets it.
#![cfg(all(feature = "client", feature = "server"))]

#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/proxy.rs"]
mod proxy;

use futures_util::future::{join_all, select_all};
use ledger::{Books, Count, Enter, Entry, Ledger, Recount, Room};
use proxy::Proxy;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
    time::timeout,
};
use ws_proto::{Format, Limits};
use ws_runtime::{
    CallError, Client, ConnState, Server, ServerConfig,
    client::Backoff,
    transport::connect::{ConnectError, Target, connect},
};

const CLIENTS: usize = 8;
/// Calls that one client has under way.
const CALLERS: usize = 4;
/// Reconnects unless the environment says otherwise.
const RECONNECTS: u64 = 300;
/// The room that everybody listens to and writes into.
const COMMON: &str = "common";
/// Longer than any machine needs; only a hang reaches it.
const HANG: Duration = Duration::from_secs(600);

/// What everybody in a run shares.
struct Run {
    books: Books,
    server: Server<Ledger>,
    proxy: Proxy,
    next: AtomicU32,
}

/// What a caller did, by the numbers that it used.
#[derive(Default)]
struct Done {
    entered: Vec<u32>,
    published: Vec<u32>,
    streams: u32,
    /// Entered or published with another outcome than success.
    failed: Vec<u32>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lost_connection_loses_nothing() {
    let reconnects = std::env::var("WS_PROTO_CHAOS_RECONNECTS");
    let reconnects = reconnects.map_or(RECONNECTS, |text| text.parse().expect("a number"));
    let start = Instant::now();
    let run = Arc::new(Run::start().await);
    let clients: Vec<_> = (0..CLIENTS).map(|number| run.client(number)).collect();
    let listeners = join_all(clients.iter().enumerate().flat_map(|(number, client)| {
        [own_room(number), COMMON.to_owned()].map(|room| listen(client.clone(), room))
    }));
    let listeners = timeout(HANG, listeners).await.expect("each subscription is answered");
    let callers = (0..CLIENTS * CALLERS).map(|n| {
        let (number, client) = (n % CLIENTS, clients[n % CLIENTS].clone());
        tokio::spawn(call(Arc::clone(&run), client, number))
    });
    let callers = join_all(callers.collect::<Vec<_>>());
    tokio::select! {
        () = run.proxy.cut(reconnects) => {}
        end = first_end(&clients) => panic!("a client gave up: {end}"),
    }
    let done = timeout(HANG, callers).await.expect("each call is answered");
    let done: Vec<Done> = done.into_iter().map(|done| done.expect("a caller panics")).collect();
    for room in (0..CLIENTS).map(own_room).chain([COMMON.to_owned()]) {
        run.server.publish(Room { name: room }, &Entry::Last).await.unwrap();
    }
    let heard = timeout(HANG, join_all(listeners)).await.expect("the last event arrives");
    let mut events = 0;
    for (room, numbers) in heard.into_iter().map(|heard| heard.expect("a listener panics")) {
        events += numbers.len();
        assert!(!numbers.is_empty(), "{room} is silent");
        assert_eq!(numbers, run.books.numbers(&room), "{room}");
    }
    let calls = run.check_calls(&done);
    println!(
        "chaos: {} reconnects, {calls} calls, {events} events, {:.1} s",
        run.proxy.cuts(),
        start.elapsed().as_secs_f64()
    );
    join_all(clients.into_iter().map(Client::close)).await;
}

#[tokio::test]
async fn an_upgrade_that_is_cut_is_worth_another_attempt() {
    for answer in ["", "HTTP/1.1 101 Switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: web"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::new(format!("ws://{}", listener.local_addr().unwrap()));
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let (connected, ()) = tokio::join!(connect(&target), server);
        let error = connected.err().expect("the answer is cut");
        assert!(matches!(error, ConnectError::Unreachable(_)), "{answer:?}: {error}");
    }
}

impl Run {
    async fn start() -> Self {
        let mut limits = Limits::default();
        limits.rate_per_s = 1_000_000;
        limits.rate_burst = 1_000_000;
        let books = Books::default();
        let config = ServerConfig { limits, ..ServerConfig::default() };
        let server = Server::with_config(books.clone(), config).unwrap();
        let address = server.spawn("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(address, 7).await;
        Self { books, server, proxy, next: AtomicU32::new(1) }
    }

    fn client(&self, number: usize) -> Client<Ledger> {
        let mut quick = Backoff::default();
        quick.base = Duration::from_millis(1);
        quick.max = Duration::from_millis(2);
        quick.max_attempts = u32::MAX;
        Client::builder(format!("ws://{}", self.proxy.address()))
            .token(move || async move { number.to_string() })
            .format(Format::ALL[number % Format::ALL.len()])
            .reconnect(quick)
            .attempt_timeout(Duration::from_millis(500))
            .connect_lazy()
    }

    fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Compares what the callers were told with what the server did; returns the number of calls.
    fn check_calls(&self, done: &[Done]) -> usize {
        let mut calls = 0;
        let rooms = (0..CLIENTS).map(own_room).chain([COMMON.to_owned()]);
        let written: Vec<u32> = rooms.flat_map(|room| self.books.numbers(&room)).collect();
        let once: HashSet<u32> = written.iter().copied().collect();
        assert_eq!(written.len(), once.len(), "an event is written twice");
        for done in done {
            for number in &done.entered {
                assert_eq!(self.books.executions(*number), 1, "{number} was entered");
                assert!(once.contains(number), "{number} is in no room");
            }
            for number in &done.published {
                assert!(once.contains(number), "{number} is in no room");
            }
            for number in &done.failed {
                assert!(self.books.executions(*number) <= 1, "{number} failed");
            }
            // No connection is away for as long as its session is kept.
            assert!(done.failed.is_empty(), "a session was lost");
            calls += done.entered.len() + done.published.len() + done.streams as usize;
        }
        calls
    }
}

/// Waits until a client has ended for good, and says how: no loss of a connection may do that.
async fn first_end(clients: &[Client<Ledger>]) -> String {
    let ends = clients.iter().map(|client| {
        let mut states = client.state();
        Box::pin(async move {
            let ended = states.wait_for(|state| matches!(state, ConnState::Closed(_))).await;
            ended.map_or_else(|error| error.to_string(), |state| format!("{state:?}"))
        })
    });
    select_all(ends).await.0
}

/// Asks and publishes until the connections live, and then no more.
async fn call(run: Arc<Run>, client: Client<Ledger>, client_number: usize) -> Done {
    let mut done = Done::default();
    while !run.proxy.is_calm() {
        let number = run.number();
        let room =
            if number.is_multiple_of(4) { COMMON.to_owned() } else { own_room(client_number) };
        match number % 16 {
            0..=9 => match client.call(Enter { room, number }).timeout(HANG).await {
                Ok(said) => {
                    assert_eq!(said, number, "the answer of another call");
                    done.entered.push(number);
                }
                Err(error) => done.fail(number, &error),
            },
            10..=13 => {
                let entry = Entry::Entered { number };
                match client.publish(Room { name: room.clone() }, &entry).await {
                    Ok(position) => {
                        run.books.published(&room, position, number);
                        done.published.push(number);
                    }
                    Err(error) => done.fail(number, &error),
                }
            }
            14 => {
                let mut upload = client.upload(Recount {}).timeout(HANG);
                for part in 1..=40 {
                    upload.send(&part).await.expect("a part of an upload");
                }
                assert_eq!(upload.finish().await, Ok(40));
                done.streams += 1;
            }
            _ => {
                let mut items = client.stream(Count { to: 40 }).timeout(HANG);
                for expected in 1..=40 {
                    assert_eq!(items.next().await, Some(Ok(expected)), "an item of a stream");
                }
                assert_eq!(items.next().await, None);
                assert_eq!(items.finish().await, Ok(40));
                done.streams += 1;
            }
        }
    }
    done
}

impl Done {
    fn fail<E: std::fmt::Debug>(&mut self, number: u32, error: &CallError<E>) {
        eprintln!("{number}: {error:?}");
        self.failed.push(number);
    }
}

/// Listens to a room in a task of its own, up to its last event.
async fn listen(client: Client<Ledger>, room: String) -> JoinHandle<(String, Vec<u32>)> {
    let heard = client.subscribe(Room { name: room.clone() }).await;
    let mut heard = heard.expect("the room is open");
    tokio::spawn(async move {
        let mut numbers = Vec::new();
        loop {
            match heard.next().await {
                Some(Ok(Entry::Entered { number })) => numbers.push(number),
                Some(Ok(Entry::Last)) => return (room, numbers),
                other => panic!("{room}, after {} events: {other:?}", numbers.len()),
            }
        }
    })
}

fn own_room(number: usize) -> String {
    format!("room-{number}")
}
