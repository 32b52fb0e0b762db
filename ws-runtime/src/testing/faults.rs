//! Faults between a client and a server in one process, drawn from a seed.

use super::{
    carrying::Carrier,
    fate::{Fate, Fates, How, Plan},
};
use crate::{
    server::Server,
    transport::{Transport, memory},
};
use futures_util::FutureExt;
use std::{
    any::Any,
    fmt,
    future::Future,
    ops::AddAssign,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};
use ws_proto::{Credentials, Format, Limits, Protocol};

/// Names the one seed to run; see [`Faults::each_seed`].
const ONE_SEED: &str = "WS_PROTO_SEED";
/// A run is not done after this long: it hangs.
const HANG: Duration = Duration::from_secs(24 * 3600);

/// What a network does to connections, drawn from a seed; see [`super::connect_with`].
///
/// The fate of a connection is a matter of the seed, the number of the client (in the order of
/// `connect_with`) and the number of its connection, and of nothing else: the same seed gives the
/// same faults. A fault happens when a certain message comes along, so it meets traffic and not
/// silence. Messages keep their order, as they do on a socket.
///
/// Use it in `#[tokio::test(start_paused = true)]`: waiting takes no
/// time, and a run of many reconnects takes milliseconds. `Display` says the seed, what happened
/// and when. Clones share what happened; settings belong before the first connection.
///
/// A partition is noticed by missed heartbeats, 40 s later: calls with the default timeout of 30 s
/// may time out. Give them longer (`ClientBuilder::call_timeout`), or mean it.
#[derive(Clone, Debug)]
#[must_use = "they do nothing until a client connects through them"]
pub struct Faults {
    seed: u64,
    plan: Plan,
    journal: Arc<Journal>,
}

/// What happened to the connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections made.
    pub connections: u64,
    /// Connections that both ends lost at once.
    pub cuts: u64,
    /// Connections that stayed open while nothing got through.
    pub half_open: u64,
    /// Connections that stayed open while nothing got through in one direction.
    pub one_way: u64,
    /// Connections that the client lost before the server, whose last messages arrived late.
    pub late: u64,
    /// Times that a direction stood still for a while.
    pub stalls: u64,
    /// Messages that were delayed.
    pub delays: u64,
}

/// What happened, for everybody who carries.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    counts: Counts,
    clients: u64,
    is_calm: bool,
    start: Option<Instant>,
    steps: Vec<String>,
}

impl Faults {
    /// The faults of a seed, with the default settings.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, plan: Plan::DEFAULT, journal: Arc::default() }
    }

    /// How long a message takes at most; default 50 ms, zero for no delays.
    pub fn delay(mut self, longest: Duration) -> Self {
        self.plan.delay = longest;
        self
    }

    /// How long one direction of a connection stands still at most, on every fourth connection;
    /// default 5 s, zero for no stalls.
    pub fn stall(mut self, longest: Duration) -> Self {
        self.plan.stall = longest;
        self
    }

    /// How often a connection is cut, in relation to the other ends; default 4. Both sides lose it
    /// at once, with what was on its way.
    pub fn cut(mut self, weight: u16) -> Self {
        self.plan.weights[0] = weight.into();
        self
    }

    /// How often a connection stays open while nothing gets through; default 1. Heartbeats notice.
    pub fn half_open(mut self, weight: u16) -> Self {
        self.plan.weights[1] = weight.into();
        self
    }

    /// How often nothing gets through in one direction; default 1. Heartbeats notice.
    pub fn one_way(mut self, weight: u16) -> Self {
        self.plan.weights[2] = weight.into();
        self
    }

    /// How often the client loses a connection before the server does; default 2. The client's last
    /// messages arrive late, when it may be back already, and then the server loses it.
    pub fn late(mut self, weight: u16) -> Self {
        self.plan.weights[3] = weight.into();
        self
    }

    /// How much later, at most; default 5 s.
    pub fn late_by(mut self, longest: Duration) -> Self {
        self.plan.late = longest;
        self
    }

    /// How many connections of each client are disturbed; default 10, fewer than the attempts of
    /// the default `Backoff`. With more, raise its `max_attempts`. Later connections live.
    pub fn connections(mut self, count: u32) -> Self {
        self.plan.connections = count;
        self
    }

    /// How many messages a connection carries in one direction before its fault, at most; default
    /// 64. Fewer are likelier.
    pub fn messages(mut self, most: u32) -> Self {
        self.plan.messages = most;
        self
    }

    /// No more faults: what happens from here on is delivered, and connections made from here on
    /// live. What is broken already is noticed in its time.
    pub fn calm(&self) {
        self.journal.pages().is_calm = true;
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.journal.pages().counts
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Runs a test once for each seed, one after the other, and returns what happened in all runs
    /// together: assert on it, so that a test without faults is noticed.
    ///
    /// `WS_PROTO_SEED=17` in the environment runs that seed alone. This thread's `fastrand` is
    /// seeded too, so that in a runtime of one thread the client's backoff repeats itself.
    ///
    /// # Panics
    ///
    /// When a run panics, or is not done after a day (of tokio's clock, which does not wait while it
    /// is paused). The message names the seed and says what happened in the run.
    ///
    /// ```
    /// # use ws_runtime::testing::Faults;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let counts = Faults::each_seed(0..20, |faults| async move {
    ///     // A server, clients through `testing::connect_with(&server, &faults, ..)`, assertions.
    ///     faults.calm();
    /// })
    /// .await;
    /// # assert_eq!(counts.connections, 0);
    /// # }
    /// ```
    pub async fn each_seed<R: Future<Output = ()>>(
        seeds: impl IntoIterator<Item = u64>,
        mut run: impl FnMut(Self) -> R,
    ) -> Counts {
        let only = std::env::var(ONE_SEED).ok();
        let only = only.map(|text| text.parse().expect("WS_PROTO_SEED is a number"));
        let seeds = only.map_or_else(|| seeds.into_iter().collect(), |seed| vec![seed]);
        let mut total = Counts::default();
        for seed in seeds {
            fastrand::seed(seed);
            let faults = Self::seeded(seed);
            let running = timeout(HANG, run(faults.clone()));
            let why = match AssertUnwindSafe(running).catch_unwind().await {
                Ok(Ok(())) => {
                    total += faults.counts();
                    continue;
                }
                Ok(Err(_)) => "it hangs".to_owned(),
                Err(panic) => words(&*panic),
            };
            panic!("{why}\n{faults}again: {ONE_SEED}={seed}");
        }
        total
    }

    /// What makes the connections of the next client.
    pub(super) fn line<P: Protocol>(
        &self,
        server: &Server<P>,
    ) -> impl Fn(Format) -> Box<dyn Transport> + Send + Sync + 'static {
        let mut pages = self.journal.pages();
        pages.clients += 1;
        let client = pages.clients;
        drop(pages);
        let fates = Mutex::new((Fates::new(self.seed, client), 0_u32));
        let (server, plan, journal) = (server.clone(), self.plan, Arc::clone(&self.journal));
        move |format| {
            let mut drawing = fates.lock().unwrap_or_else(PoisonError::into_inner);
            drawing.1 += 1;
            let name = format!("client {client}, connection {}", drawing.1);
            // Drawn in any case: calm changes nothing for those who draw later.
            let drawn = drawing.0.draw(&plan);
            drop(drawing);
            let fate = if journal.is_calm() { Fate::peace() } else { drawn };
            journal.note(&name, "made", |counts| counts.connections += 1);
            let limits = Limits::default();
            let (ours, near) = memory::pair(format, &limits);
            let (far, theirs) = memory::pair(format, &limits);
            tokio::spawn(Carrier::new(near, far, fate, Arc::clone(&journal), name).run());
            let server = server.clone();
            tokio::spawn(async move {
                server.serve(Box::new(theirs), Credentials::default()).await;
            });
            Box::new(ours)
        }
    }
}

impl Counts {
    /// Connections that a fault has ended.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.cuts + self.half_open + self.one_way + self.late
    }

    pub(super) fn of(&mut self, how: How) -> &mut u64 {
        match how {
            How::Cut => &mut self.cuts,
            How::HalfOpen => &mut self.half_open,
            How::OneWay => &mut self.one_way,
            How::Late => &mut self.late,
        }
    }
}

impl Journal {
    pub(super) fn is_calm(&self) -> bool {
        self.pages().is_calm
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.pages().counts);
    }

    /// Counts a step and writes it down with its time.
    pub(super) fn note(&self, who: &str, what: &str, change: impl FnOnce(&mut Counts)) {
        let mut pages = self.pages();
        change(&mut pages.counts);
        let start = *pages.start.get_or_insert_with(Instant::now);
        let step = format!("{:>9.3} s  {who}: {what}", start.elapsed().as_secs_f64());
        pages.steps.push(step);
    }

    // A count or a line is written whole or not at all, so a poisoned lock is sound.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.cuts += other.cuts;
        self.half_open += other.half_open;
        self.one_way += other.one_way;
        self.late += other.late;
        self.stalls += other.stalls;
        self.delays += other.delays;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, cuts, half_open, one_way, late, stalls, delays } = self;
        write!(
            f,
            "{connections} connections, {cuts} cut, {half_open} half-open, {one_way} one way, \
             {late} late, {stalls} stalls, {delays} delayed messages"
        )
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pages = self.journal.pages();
        writeln!(f, "seed {}: {}", self.seed, pages.counts)?;
        pages.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the run panics: {}", text.unwrap_or("without words"))
}
