//! Slow networks, in virtual time: one that is too slow for the heartbeat is left and tried again
//! with growing delays, and going on with a session costs one round trip.

use crate::support::{App, Echo, Hall, HallEvent, Lab};
use std::{
    collections::VecDeque,
    future::{IntoFuture, poll_fn, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use ws_proto::{Credentials, Format, Limits};
use ws_runtime::{
    Client, ConnState, Server, ServerConfig,
    client::Backoff,
    transport::{
        Received, Transport,
        memory::{self, Memory},
    },
};

/// A server behind a network that takes its time.
#[derive(Clone)]
struct Distant {
    server: Server<Lab>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// One way, in milliseconds.
    latency: AtomicU64,
    attempts: Mutex<Vec<Instant>>,
}

impl Distant {
    fn new(config: ServerConfig, latency: Duration) -> Self {
        let server = Server::with_config(App::default(), config).unwrap();
        let distant = Self { server, shared: Arc::default() };
        distant.set_latency(latency);
        distant
    }

    fn set_latency(&self, latency: Duration) {
        let latency = u64::try_from(latency.as_millis()).unwrap();
        self.shared.latency.store(latency, Ordering::SeqCst);
    }

    /// When each attempt to connect was made, since the last look.
    fn attempts(&self) -> Vec<Instant> {
        std::mem::take(&mut self.shared.attempts.lock().unwrap())
    }

    async fn client(&self, backoff: Backoff) -> Client<Lab> {
        let Self { server, shared } = self.clone();
        Client::builder("ws://memory")
            .token(|| async { "ann".to_owned() })
            .reconnect(backoff)
            .connector(move |format| {
                shared.attempts.lock().unwrap().push(Instant::now());
                let transport: Box<dyn Transport> = Box::new(reach(&server, &shared, format));
                Box::pin(ready(Ok(transport)))
            })
            .connect()
            .await
            .expect("the server takes ann in")
    }
}

/// The client's end of a connection over the network.
fn reach(server: &Server<Lab>, shared: &Arc<Shared>, format: Format) -> Memory {
    let limits = Limits::default();
    let ((ours, near), (far, theirs)) =
        (memory::pair(format, &limits), memory::pair(format, &limits));
    let server = server.clone();
    tokio::spawn(async move { server.serve(Box::new(theirs), Credentials::default()).await });
    tokio::spawn(carry(near, far, Arc::clone(shared)));
    ours
}

/// What is on its way in one direction, and when it arrives.
type Way = VecDeque<(Instant, Received)>;

/// Carries messages both ways until one end has left and the other has been told.
async fn carry(mut near: Memory, mut far: Memory, shared: Arc<Shared>) {
    let (mut there, mut back) = (Way::new(), Way::new());
    loop {
        let due = [&there, &back].into_iter().filter_map(|way| Some(way.front()?.0)).min();
        let arrival = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let at = || {
            let latency = Duration::from_millis(shared.latency.load(Ordering::SeqCst));
            Instant::now() + latency
        };
        tokio::select! {
            biased;
            () = arrival => {}
            said = poll_fn(|cx| near.poll_recv(cx)), if !is_last(&there) => {
                there.push_back((at(), said));
            }
            said = poll_fn(|cx| far.poll_recv(cx)), if !is_last(&back) => {
                back.push_back((at(), said));
            }
        }
        if !(deliver(&mut there, &mut far) && deliver(&mut back, &mut near)) {
            return;
        }
    }
}

/// Whether nothing more comes this way.
fn is_last(way: &Way) -> bool {
    way.back().is_some_and(|(_, said)| !matches!(said, Received::Message(_)))
}

/// Hands over what has arrived; false when that is the end of the connection.
fn deliver(way: &mut Way, to: &mut Memory) -> bool {
    let now = Instant::now();
    while way.front().is_some_and(|(due, _)| *due <= now) {
        match way.pop_front() {
            Some((_, Received::Message(message))) => {
                // Who has left hears nothing.
                let _ = to.start_send(&message);
            }
            _ => return false,
        }
    }
    true
}

fn hall() -> Hall {
    Hall { name: "x".into() }
}

fn said(text: &str) -> HallEvent {
    HallEvent::Said { text: text.into() }
}

/// Times between attempts, the first from `since`.
fn pauses(since: Instant, attempts: &[Instant]) -> Vec<Duration> {
    let before = std::iter::once(&since).chain(attempts);
    attempts.iter().zip(before).map(|(attempt, before)| *attempt - *before).collect()
}

/// Asserts that the pauses are the delays of the default backoff, each after an attempt that took
/// at most `lived`.
fn assert_backed_off(pauses: &[Duration], lived: Duration) {
    let doubled = [1, 2, 4, 8, 16].into_iter().chain(std::iter::repeat(30));
    for (n, (pause, delay)) in pauses.iter().zip(doubled.map(Duration::from_secs)).enumerate() {
        let bounds = delay / 2..=lived + delay * 3 / 2 + Duration::from_millis(100);
        assert!(bounds.contains(pause), "pause {n} is {pause:?} and not in {bounds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_stand_and_never_live_are_tried_with_growing_delays() {
    let (interval, timeout) = (Duration::from_secs(1), Duration::from_millis(500));
    let config = ServerConfig {
        heartbeat_interval: interval,
        heartbeat_timeout: timeout,
        ..ServerConfig::default()
    };
    let distant = Distant::new(config, Duration::ZERO);
    let client = distant.client(Backoff::default()).await;
    let mut heard = client.subscribe(hall()).await.unwrap();
    let mut state = client.state();
    // Long enough for the heartbeat and short enough for the welcome.
    let latency = Duration::from_secs(1);
    distant.set_latency(latency);
    distant.attempts();
    state.wait_for(|state| matches!(state, ConnState::Waiting { .. })).await.unwrap();
    let lost = Instant::now();
    distant.server.publish(hall(), &said("while away")).await.unwrap();
    let mut was_ready = 0;
    while distant.shared.attempts.lock().unwrap().len() < 10 {
        state.changed().await.unwrap();
        was_ready += u32::from(matches!(*state.borrow_and_update(), ConnState::Ready { .. }));
    }
    assert!(was_ready >= 9, "the welcome came {was_ready} times");
    let attempts = distant.attempts();
    // A welcome does not forget the failures: a round trip, and then no answer in time.
    assert_backed_off(&pauses(lost, &attempts), 2 * latency + interval + timeout);
    distant.set_latency(Duration::ZERO);
    assert_eq!(heard.next().await, Some(Ok(said("while away"))));
}

#[tokio::test(start_paused = true)]
async fn a_network_too_slow_for_a_welcome_is_tried_with_growing_delays() {
    let distant = Distant::new(ServerConfig::default(), Duration::ZERO);
    let client = distant.client(Backoff::default()).await;
    let mut heard = client.subscribe(hall()).await.unwrap();
    let mut state = client.state();
    distant.set_latency(Duration::from_secs(60));
    distant.attempts();
    state.wait_for(|state| matches!(state, ConnState::Waiting { .. })).await.unwrap();
    let lost = Instant::now();
    while distant.shared.attempts.lock().unwrap().len() < 4 {
        state.changed().await.unwrap();
    }
    let attempts = distant.attempts();
    // The deadline of a hello.
    assert_backed_off(&pauses(lost, &attempts), Duration::from_secs(5));
    distant.set_latency(Duration::ZERO);
    distant.server.publish(hall(), &said("back")).await.unwrap();
    assert_eq!(heard.next().await, Some(Ok(said("back"))));
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_within_one_round_trip_after_the_upgrade() {
    let latency = Duration::from_millis(100);
    let distant = Distant::new(ServerConfig::default(), Duration::ZERO);
    let client = distant.client(Backoff::default()).await;
    let mut heard = client.subscribe(hall()).await.unwrap();
    let mut state = client.state();
    // So slow that the connection is lost.
    distant.set_latency(Duration::from_secs(60));
    state.wait_for(|state| matches!(state, ConnState::Waiting { .. })).await.unwrap();
    distant.server.publish(hall(), &said("while away")).await.unwrap();
    let waiting = tokio::spawn(client.call(Echo { text: "x".into() }).into_future());
    distant.attempts();
    distant.set_latency(latency);
    assert_eq!(heard.next().await, Some(Ok(said("while away"))));
    let attempts = distant.attempts();
    assert_eq!(attempts.len(), 1);
    // Timers count whole milliseconds.
    let took = attempts[0].elapsed().as_millis();
    let trip = 2 * latency.as_millis();
    assert!((trip..=trip + 5).contains(&took), "{took} ms");
    // What waited leaves with the welcome's arrival: one more round trip.
    assert_eq!(waiting.await.unwrap(), Ok("x".to_owned()));
    let took = attempts[0].elapsed().as_millis();
    assert!((2 * trip..=2 * trip + 10).contains(&took), "{took} ms");
}
