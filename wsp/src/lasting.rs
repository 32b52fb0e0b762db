//! A session that outlives its connections: what is lost is made again, after a delay, and the
//! session goes on where the server still has it.

use crate::{
    contract::Contract,
    documents::Failure,
    live::{Door, Live, Spoken, ended, random},
};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep, timeout};
use ws_proto::Advice;
use ws_runtime::{
    session::{Closed, Command, Event},
    transport::{Transport, connect::ConnectError},
};

/// The first delay; each further one is twice as long, up to the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// Attempts in a row before it is given up.
const ATTEMPTS: u32 = 12;
/// A connection that lived so long was a good one.
const GOOD: Duration = Duration::from_secs(30);
/// How long an attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What happens next.
pub(crate) enum News {
    /// The session says so.
    Event(Event),
    /// There is no connection; the next attempt comes after the delay, or never.
    Away(Failure, Option<Duration>),
}

/// A session whose connection comes back.
pub(crate) struct Lasting {
    live: Live,
    door: Door,
    spoken: Spoken,
    way: Way,
    failed: u32,
    since: Instant,
}

type Attempt = dyn Future<Output = Result<Box<dyn Transport>, ConnectError>> + Send;

enum Way {
    There,
    Waiting(Pin<Box<Sleep>>),
    Trying(Pin<Box<Attempt>>),
    Over,
}

impl Lasting {
    /// The first connection; where it fails there is no second.
    pub(crate) async fn open(door: Door, known: Option<&Contract>) -> Result<Self, Failure> {
        let spoken = door.spoken(known).await?;
        Self::open_as(door, spoken).await
    }

    /// As [`Lasting::open`], for a protocol that is known.
    pub(crate) async fn open_as(door: Door, spoken: Spoken) -> Result<Self, Failure> {
        let live = door.open_as(spoken).await?;
        Ok(Self { live, door, spoken, way: Way::There, failed: 0, since: Instant::now() })
    }

    /// The session, and its connection while there is one.
    pub(crate) const fn live(&mut self) -> &mut Live {
        &mut self.live
    }

    /// The protocol's name.
    pub(crate) const fn protocol(&self) -> &'static str {
        self.spoken.protocol
    }

    /// What happens next. May be dropped and asked again.
    pub(crate) async fn next(&mut self) -> News {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Ends the session, and waits until the server knows.
    pub(crate) async fn close(self) {
        if matches!(self.way, Way::There) {
            self.live.close().await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        loop {
            if let Poll::Ready(event) = self.live.poll(cx) {
                return Poll::Ready(self.told(event));
            }
            match &mut self.way {
                Way::There | Way::Over => return Poll::Pending,
                Way::Waiting(delay) => {
                    ready!(delay.as_mut().poll(cx));
                    self.way = Way::Trying(attempt(self.door.clone()));
                }
                Way::Trying(attempt) => match ready!(attempt.as_mut().poll(cx)) {
                    Ok(transport) => {
                        self.way = Way::There;
                        self.since = Instant::now();
                        let hello = self.door.hello(self.spoken);
                        if let Err(failure) = self.live.connected(transport, hello) {
                            self.way = Way::Over;
                            return Poll::Ready(News::Away(failure, None));
                        }
                    }
                    Err(error) => {
                        let again = worth_trying(&error).and_then(|earliest| self.delay(earliest));
                        let failure = Failure::Live(error.to_string());
                        return Poll::Ready(self.away(failure, again));
                    }
                },
            }
        }
    }

    fn told(&mut self, event: Event) -> News {
        match event {
            Event::Closed(closed) => {
                self.live.disconnected();
                let again = self.after(&closed);
                self.away(ended(&closed), again)
            }
            Event::AuthRequired => {
                if let Some(token) = self.door.secret() {
                    // A connection that ends meanwhile asks again.
                    let _ = self.live.tell(Command::Auth(token));
                }
                News::Event(Event::AuthRequired)
            }
            event => News::Event(event),
        }
    }

    fn away(&mut self, why: Failure, again: Option<Duration>) -> News {
        self.way = again.map_or(Way::Over, |delay| Way::Waiting(Box::pin(sleep(delay))));
        News::Away(why, again)
    }

    fn after(&mut self, closed: &Closed) -> Option<Duration> {
        if closed.code.advice() == Advice::Stop {
            return None;
        }
        if self.since.elapsed() >= GOOD {
            self.failed = 0;
        }
        match closed.retry_after {
            Some((low, high)) if self.failed < ATTEMPTS => {
                self.failed += 1;
                Some(between(low.min(LONGEST), high.min(LONGEST)))
            }
            _ => self.delay(Duration::ZERO),
        }
    }

    /// The delay before the next attempt, not before the earliest moment; `None` after too many.
    fn delay(&mut self, earliest: Duration) -> Option<Duration> {
        let doubled = FIRST.saturating_mul(1 << self.failed.min(16)).min(LONGEST);
        self.failed += 1;
        let delay = between(doubled / 2, doubled.saturating_mul(3) / 2);
        (self.failed <= ATTEMPTS).then(|| delay + earliest.min(LONGEST))
    }
}

fn attempt(door: Door) -> Pin<Box<Attempt>> {
    Box::pin(async move {
        let late = |_| Err(ConnectError::Unreachable("no connection in time".to_owned()));
        timeout(PATIENCE, door.transport()).await.unwrap_or_else(late)
    })
}

/// The earliest moment for another attempt, where one can help.
fn worth_trying(error: &ConnectError) -> Option<Duration> {
    match error {
        ConnectError::Unreachable(_) => Some(Duration::ZERO),
        ConnectError::Refused { status: 429 | 500..=599, retry_after, .. } => {
            Some(retry_after.unwrap_or_default())
        }
        _ => None,
    }
}

fn between(low: Duration, high: Duration) -> Duration {
    let span = u64::try_from(high.saturating_sub(low).as_millis()).unwrap_or(u64::MAX);
    low + Duration::from_millis(random() % span.saturating_add(1))
}
