//! A reader that stops reading while a million events are published to its channel: it costs the
//! server its window, stays connected, and then gets everything that the log still holds, in order,
//! with one exact gap for the rest. An unread transport is another matter: it is closed, and its
//! session goes on over the next one.

use futures_util::future::BoxFuture;
use peak_alloc::PeakAlloc;
use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::{sleep, timeout};
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Channels, CloseCode, Credentials, Events, Fault,
    Format, Limits, Position, Protocol, delivery::AtLeastOnce,
};
use ws_runtime::{
    Server,
    client::{Client, Gap, Subscription},
    testing,
    transport::{Lost, Received, Transport, memory},
};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;
/// One at a time: the allocator counts for all of them.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const HISTORY: u32 = 4096;
const MINUTE: Duration = Duration::from_secs(60);
/// What one event of a window may cost besides the log: its place in queues on both sides.
const EVENT: usize = 1024;
/// What the runtime allocates by itself.
const REST: usize = 256 * 1024;

#[derive(Protocol)]
#[protocol(name = "market", version = 1, channels = MarketChannel)]
struct Market;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum MarketChannel {
    #[channel(event = Quote, delivery = at_least_once, history = 4096, history_bytes = 1048576)]
    Quotes { of: u32 },
    /// For the largest events.
    #[channel(event = Quote, delivery = at_least_once, history = 4096)]
    Pages { of: u32 },
}

#[derive(Clone, Debug, PartialEq, Events)]
enum Quote {
    Made { number: u32 },
    Printed { number: u32, text: String },
}

type Quoted = Subscription<Quote, AtLeastOnce>;

struct App;

impl Authenticate for App {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl Authorize<MarketChannel> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, ()>,
        _: Access<'_, MarketChannel>,
    ) -> Result<(), Fault> {
        Ok(())
    }
}

/// Runs a publish so often, over a minute; the tasks of the connections run in between.
async fn over_a_minute<P: Future>(events: u32, publish: impl Fn(u32) -> P) {
    const ROUNDS: u32 = 1000;
    let each = events / ROUNDS;
    for round in 0..ROUNDS {
        for n in 1..=each {
            publish(round * each + n).await;
        }
        sleep(MINUTE / ROUNDS).await;
    }
}

/// Reads up to the event `last`: the numbers and the gaps, in their order.
async fn read(quotes: &mut Quoted, last: u32) -> Vec<Result<u32, Gap>> {
    let mut seen = Vec::new();
    loop {
        let item = quotes.next().await.expect("the subscription ended");
        let item = item.map(|(Quote::Made { number } | Quote::Printed { number, .. })| number);
        seen.push(item);
        if seen.last() == Some(&Ok(last)) {
            return seen;
        }
    }
}

fn numbers(first: u32, last: u32) -> impl Iterator<Item = Result<u32, Gap>> {
    (first..=last).map(Ok)
}

fn lost(after: u32, until: u32) -> Result<u32, Gap> {
    Err(Gap::Lost { after: Some(after.into()), until: Some(until.into()) })
}

#[tokio::test(start_paused = true)]
async fn a_million_events_cost_a_reader_that_stops_its_window_and_one_exact_gap() {
    const EVENTS: u32 = 1_000_000;
    let _turn = TURN.lock().await;
    let server = Server::<Market>::new(App);
    let client: Client<Market> = testing::connect(&server, None, Format::Json).await.unwrap();
    let mut quotes = client.subscribe(Quotes { of: 1 }).await.unwrap();
    let mut state = client.state();
    state.mark_unchanged();
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();

    over_a_minute(EVENTS, async |number| {
        server.publish(Quotes { of: 1 }, &Quote::Made { number }).await.unwrap();
    })
    .await;
    assert!(!state.has_changed().unwrap(), "disconnected");
    let window = Limits::default().window;
    let mut seen = Vec::with_capacity((HISTORY + 2 * window) as usize);
    seen.extend(read(&mut quotes, EVENTS).await);

    let cost = HEAP.peak_usage() - before;
    let seen_bytes = 4 * seen.capacity() * size_of::<Result<u32, Gap>>();
    let log = log_bytes(&Quotes { of: 1 }.into());
    let bound = log + window as usize * EVENT + REST + seen_bytes;
    assert!(cost <= bound, "{cost} bytes, but the bound is {bound}");
    let kept = EVENTS - HISTORY;
    let expected: Vec<_> =
        numbers(1, window).chain([lost(window, kept)]).chain(numbers(kept + 1, EVENTS)).collect();
    assert!(seen == expected, "{:?} ..", &seen[..300]);
    assert!(!state.has_changed().unwrap(), "disconnected");
}

fn log_bytes(channel: &MarketChannel) -> usize {
    ws_proto::ChannelSet::spec(channel).worst_case_log(Limits::default().max_frame)
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_holds_up_nobody_else() {
    const EVENTS: u32 = 20_000;
    let _turn = TURN.lock().await;
    let server = Server::<Market>::new(App);
    let client: Client<Market> = testing::connect(&server, None, Format::Json).await.unwrap();
    let mut stopped = client.subscribe(Quotes { of: 1 }).await.unwrap();
    // On the same connection another channel, and on another one the same channel.
    let mut beside = client.subscribe(Quotes { of: 2 }).await.unwrap();
    let other: Client<Market> = testing::connect(&server, None, Format::MessagePack).await.unwrap();
    let mut same = other.subscribe(Quotes { of: 1 }).await.unwrap();
    let beside = tokio::spawn(async move { read(&mut beside, EVENTS).await });
    let same = tokio::spawn(async move { read(&mut same, EVENTS).await });

    over_a_minute(EVENTS, async |number| {
        for of in [1, 2] {
            server.publish(Quotes { of }, &Quote::Made { number }).await.unwrap();
        }
    })
    .await;
    let all: Vec<_> = numbers(1, EVENTS).collect();
    assert!(beside.await.unwrap() == all);
    assert!(same.await.unwrap() == all);
    let window = Limits::default().window;
    let late = read(&mut stopped, EVENTS).await;
    assert_eq!(late.iter().filter(|item| item.is_err()).count(), 1);
    assert_eq!(late.len(), (window + 1 + HISTORY) as usize);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_served_in_pages_of_the_window() {
    let _turn = TURN.lock().await;
    let server = Server::<Market>::new(App);
    let text = "x".repeat(16 * 1024);
    let mut position = None;
    for number in 1..=HISTORY {
        let page = Quote::Printed { number, text: text.clone() };
        position = server.publish(Pages { of: 1 }, &page).await.unwrap();
    }
    let since = Position { off: 0, ..position.unwrap() };
    let client: Client<Market> = testing::connect(&server, None, Format::Json).await.unwrap();
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let mut pages = client.subscribe_since(Pages { of: 1 }, Some(since)).await.unwrap();
    let mut expected = 1;
    while expected <= HISTORY {
        let page = pages.next().await.unwrap();
        assert!(matches!(page, Ok(Quote::Printed { number, .. }) if number == expected));
        expected += 1;
    }
    // Sixty-four mebibytes went by. What a page takes: the window's messages, made on first use in
    // the place of their payloads.
    let cost = HEAP.peak_usage() - before;
    let window = Limits::default().window as usize;
    let bound = 3 * window * (text.len() + EVENT) + REST;
    assert!(cost <= bound, "{cost} bytes, but the bound is {bound}");
}

/// A transport that takes nothing in while it is shut.
struct Gated {
    inner: memory::Memory,
    gate: Arc<Gate>,
}

/// Present while it is shut: who waits before it.
type Gate = Mutex<Option<Vec<Waker>>>;

impl Transport for Gated {
    fn format(&self) -> Format {
        self.inner.format()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        if let Some(waiting) = &mut *self.gate.lock().unwrap() {
            waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        self.inner.poll_recv(cx)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.inner.poll_ready(cx)
    }

    fn start_send(&mut self, message: &[u8]) -> Result<(), Lost> {
        self.inner.start_send(message)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.inner.poll_flush(cx)
    }

    fn unwritten(&self) -> usize {
        self.inner.unwritten()
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, words: Option<(CloseCode, &str)>) -> Poll<()> {
        self.inner.poll_close(cx, words)
    }
}

#[tokio::test(start_paused = true)]
async fn an_unread_transport_is_closed_and_its_session_goes_on_with_one_exact_gap() {
    const EVENTS: u32 = 20_000;
    let _turn = TURN.lock().await;
    let server = Server::<Market>::new(App);
    let (gate, attempts) = (Arc::<Gate>::default(), Arc::<AtomicU32>::default());
    let connector = {
        let (server, gate, attempts) = (server.clone(), Arc::clone(&gate), Arc::clone(&attempts));
        move |format| {
            let (inner, theirs) = memory::pair(format, &Limits::default());
            let server = server.clone();
            tokio::spawn(async move {
                server.serve(Box::new(theirs), Credentials::default()).await;
            });
            // Only the first one is ever shut.
            let is_first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
            let gate = if is_first { Arc::clone(&gate) } else { Arc::default() };
            let gated: Box<dyn Transport> = Box::new(Gated { inner, gate });
            let ready: BoxFuture<'static, _> = Box::pin(std::future::ready(Ok(gated)));
            ready
        }
    };
    let client: Client<Market> =
        testing::builder(&server).connector(connector).connect().await.unwrap();
    let mut quotes = client.subscribe(Quotes { of: 1 }).await.unwrap();
    *gate.lock().unwrap() = Some(Vec::new());
    let reading = tokio::spawn(async move { read(&mut quotes, EVENTS).await });
    over_a_minute(EVENTS, async |number| {
        let quote = Quote::Printed { number, text: "x".repeat(2048) };
        server.publish(Quotes { of: 1 }, &quote).await.unwrap();
    })
    .await;
    let seen = timeout(MINUTE, reading).await.expect("the last event never came").unwrap();
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
    let Some(Err(Gap::Lost { after: Some(0), until: Some(until) })) = seen.first() else {
        panic!("{:?} ..", &seen[..3])
    };
    let until = u32::try_from(*until).unwrap();
    assert!(seen[1..].iter().cloned().eq(numbers(until + 1, EVENTS)));
}
