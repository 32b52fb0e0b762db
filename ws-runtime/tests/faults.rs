//! Applications under faults that a seed decides, in virtual time: nothing is lost, nothing is
//! there twice, nothing is out of order.
#![cfg(all(feature = "client", feature = "server"))]

use crate::ledger::{Books, Count, Enter, Entry, Ledger, Recount, Room};
use futures_util::future::{BoxFuture, join_all};
use std::time::Duration;
use tokio::task::JoinHandle;
use ws_proto::Format;
use ws_runtime::{
    Client, Server,
    client::Backoff,
    testing::{self, Faults},
    transport::connect::ConnectError,
};

const ROOM: &str = "room";
/// What each client does of each kind.
const ROUNDS: u32 = 12;
/// Longer than a partition takes to be noticed, several times over.
const PATIENT: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn events_calls_streams_and_uploads_survive_every_seed() {
    let counts = Faults::each_seed(0..25, |faults| async move { run(&faults).await }).await;
    let kinds = [counts.cuts, counts.half_open, counts.one_way, counts.late, counts.stalls];
    assert!(kinds.iter().all(|count| *count > 10) && counts.delays > 1000, "{counts}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_faults() {
    for seed in 0..5 {
        let mut told = Vec::new();
        for _ in 0..2 {
            fastrand::seed(seed);
            let faults = Faults::seeded(seed);
            run(&faults).await;
            told.push(faults.to_string());
        }
        assert_eq!(told[0], told[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_after_calm() {
    let books = Books::default();
    let server = Server::new(books.clone());
    // Each connection would be cut within a few messages, for ever.
    let faults = Faults::seeded(7).half_open(0).one_way(0).messages(4).connections(u32::MAX);
    let client = connect(&server, &faults, 0).await;
    let enter = |number| client.call(Enter { room: ROOM.to_owned(), number });
    while faults.counts().lost() < 5 {
        assert!(enter(0).await.is_ok());
    }
    faults.calm();
    let before = faults.counts();
    for number in 1..100 {
        assert_eq!(enter(number).await, Ok(number));
    }
    let after = faults.counts();
    assert_eq!((before.lost(), before.stalls), (after.lost(), after.stalls), "{faults}");
    assert!(after.connections <= before.connections + 1, "{faults}");
}

#[tokio::test(start_paused = true)]
async fn a_seed_that_fails_is_named_with_what_happened() {
    let failing = tokio::spawn(Faults::each_seed(0..10, |faults| async move {
        let server = Server::new(Books::default());
        let client = connect(&server, &faults, 0).await;
        client.close().await;
        assert_ne!(faults.seed(), 3, "three is unlucky");
    }));
    let panic = failing.await.unwrap_err().into_panic();
    let text = panic.downcast_ref::<String>().unwrap();
    for part in ["three is unlucky", "seed 3: ", "client 1, connection 1", "WS_PROTO_SEED=3"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_is_named() {
    let hanging = tokio::spawn(Faults::each_seed([5], |_| std::future::pending()));
    let panic = hanging.await.unwrap_err().into_panic();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("it hangs") && text.contains("WS_PROTO_SEED=5"), "{text}");
}

#[tokio::test]
async fn a_connector_is_asked_for_the_format_whenever_it_was_chosen() {
    let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let connector = move |format| -> BoxFuture<'static, _> {
        ask.send(format).unwrap();
        Box::pin(async { Err(ConnectError::Unreachable("a test".to_owned())) })
    };
    let builder = Client::<Ledger>::builder("ws://nowhere").connector(connector);
    assert!(builder.format(Format::MessagePack).connect().await.is_err());
    assert_eq!(asked.recv().await, Some(Format::MessagePack));
}

/// Two clients ask, publish, stream and upload, and both listen.
async fn run(faults: &Faults) {
    let books = Books::default();
    let server = Server::new(books.clone());
    let (mut clients, mut listeners) = (Vec::new(), Vec::new());
    for number in 0..2 {
        let client = connect(&server, faults, number).await;
        listeners.push(listen(client.clone()).await);
        clients.push(client);
    }
    let callers = clients
        .iter()
        .zip([0, 1000])
        .map(|(client, first)| tokio::spawn(work(client.clone(), books.clone(), first)));
    let callers: Vec<_> = callers.collect();
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    faults.calm();
    server.publish(Room { name: ROOM.to_owned() }, &Entry::Last).await.unwrap();
    let written = books.numbers(ROOM);
    assert_eq!(written.len(), 2 * 2 * ROUNDS as usize, "each number is written once");
    for heard in join_all(listeners).await {
        assert_eq!(heard.unwrap(), written);
    }
}

async fn connect(server: &Server<Ledger>, faults: &Faults, number: u32) -> Client<Ledger> {
    let builder = testing::builder(server)
        .token(move || async move { number.to_string() })
        .format(Format::ALL[number as usize % Format::ALL.len()])
        .reconnect(patient())
        .call_timeout(Some(PATIENT));
    testing::connect_with(server, faults, builder).await.unwrap()
}

fn patient() -> Backoff {
    let mut backoff = Backoff::default();
    backoff.max_attempts = u32::MAX;
    backoff
}

async fn work(client: Client<Ledger>, books: Books, first: u32) {
    for round in 0..ROUNDS {
        let (entered, published) = (first + 2 * round, first + 2 * round + 1);
        let room = || ROOM.to_owned();
        let said = client.call(Enter { room: room(), number: entered }).await;
        assert_eq!((said, books.executions(entered)), (Ok(entered), 1));
        let entry = Entry::Entered { number: published };
        let position = client.publish(Room { name: room() }, &entry).await.unwrap();
        books.published(ROOM, position, published);
        let mut items = client.stream(Count { to: 40 });
        let mut counted = 0;
        while let Some(item) = items.next().await {
            counted += 1;
            assert_eq!(item, Ok(counted), "an item of a stream");
        }
        assert_eq!((items.finish().await, counted), (Ok(40), 40));
        let mut upload = client.upload(Recount {});
        for part in 1..=20 {
            upload.send(&part).await.unwrap();
        }
        assert_eq!(upload.finish().await, Ok(20));
    }
}

/// Listens up to the last event.
async fn listen(client: Client<Ledger>) -> JoinHandle<Vec<u32>> {
    let mut heard = client.subscribe(Room { name: ROOM.to_owned() }).await.unwrap();
    tokio::spawn(async move {
        let mut numbers = Vec::new();
        loop {
            match heard.next().await {
                Some(Ok(Entry::Entered { number })) => numbers.push(number),
                Some(Ok(Entry::Last)) => return numbers,
                other => panic!("after {} events: {other:?}", numbers.len()),
            }
        }
    })
}
