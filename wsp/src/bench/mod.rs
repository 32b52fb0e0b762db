//! `wsp bench`: load on a server of the protocol, and what became of it.

mod generator;
mod load;
mod payload;
mod report;
mod tally;

use crate::{
    ask::streams,
    conformance::block_on,
    contract::{Contract, check_request},
    documents::Failure,
    lasting::Lasting,
    live::Door,
};
use clap::{Args, value_parser};
use futures_util::{StreamExt, TryStreamExt, stream};
use generator::Generator;
use load::{Load, Phase, Plan, Request};
use payload::Template;
use report::Report;
use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64},
    },
    task::Poll,
    thread::available_parallelism,
    time::Duration,
};
use tally::Tally;
use tokio::{
    signal::ctrl_c,
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use ws_proto::Address;

pub(crate) const AFTER_HELP: &str = "\
In payloads, channels and the token `{c}` stands for the number of the connection, in payloads `{n}`
for the number of the request, both from 0.

Exit codes:
  0  every request had a successful answer, and no connection ended for good
  1  some had not, or one did
  2  nothing could be measured

Examples:
  wsp bench ws://127.0.0.1:3000/ws --token 'user{c}' --connections 50 --in-flight 4 --call list_rooms
  wsp bench ws://127.0.0.1:3000/ws --token ann --rate 100 --duration 30s --call join '{\"room\":\"r{n}\"}'
  wsp bench ws://127.0.0.1:3000/ws --token 'user{c}' --connections 40 --callers 1 --rate 50 \\
      --first join '{\"room\":\"den\"}' --subscribe room/den --call post '{\"room\":\"den\",\"text\":\"{n}\"}'";

/// Somebody wants it to end.
type Interrupt = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A request and its payload.
type Question = (String, Template);

/// What is asked again and again, and what once before.
struct Questions {
    call: Option<Question>,
    first: Option<Question>,
}

/// Connections that are made at the same time.
const OPENING: usize = 32;
/// Open model: calls of one connection without an answer, where nothing else is said.
const MANY: usize = 4096;

/// Put load on a server, and print rates, latencies and errors.
///
/// Without `--rate` each connection keeps so many requests in flight: the server decides how many
/// are asked (the closed model). With it requests are due at fixed moments, and a latency begins
/// when the request was due, however late it left (the open model).
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    door: Door,
    /// Ask this request; its payload is JSON, or `@FILE`.
    #[arg(long, num_args = 1..=2, value_names = ["TYPE", "PAYLOAD"])]
    #[arg(required_unless_present = "subscribe")]
    call: Vec<String>,
    /// Ask this on each connection before it begins, uncounted.
    #[arg(long, num_args = 1..=2, value_names = ["TYPE", "PAYLOAD"])]
    first: Vec<String>,
    /// Listen to a channel on each connection, and count its events. May be repeated.
    #[arg(long, value_name = "CHANNEL")]
    subscribe: Vec<String>,
    /// How many connections.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    connections: u32,
    /// How many of them ask; the rest only listens. All, where nothing is said.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    callers: Option<u32>,
    /// Requests of one connection that wait for their answers: 1 where nothing is said; with
    /// `--rate` as many as are due.
    #[arg(long, value_name = "M", value_parser = value_parser!(u32).range(1..))]
    in_flight: Option<u32>,
    /// How long: `500ms`, `10s`, `2m`. Answers are waited for after it.
    #[arg(long, default_value = "10s", value_parser = payload::duration)]
    duration: Duration,
    /// End after so many requests instead.
    #[arg(long, value_name = "N", conflicts_with = "duration", requires = "call")]
    requests: Option<u64>,
    /// Requests due each second, of all connections together.
    #[arg(long, value_name = "R", value_parser = payload::rate)]
    rate: Option<f64>,
    /// How long an answer is worth waiting for, in milliseconds.
    #[arg(long, default_value_t = 30_000, value_name = "MS")]
    timeout: u64,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Bench {
    /// Loads, and reports. Ctrl-C ends the load, and what was measured until then is reported.
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let known = self.door.known()?;
        let call = template(&self.call, known.as_ref())?;
        let first = template(&self.first, known.as_ref())?;
        let asked = Questions { call, first };
        block_on(async {
            // Taken from here on: an interrupt while the load begins ends it, too.
            let mut interrupt: Interrupt = Box::pin(async { drop(ctrl_c().await) });
            let is_here = poll_fn(|cx| Poll::Ready(interrupt.as_mut().poll(cx).is_ready())).await;
            if is_here {
                return Err(Failure::Live("interrupts cannot be taken".to_owned()));
            }
            let begun = Instant::now();
            let loads = tokio::select! {
                loads = self.prepared(&asked, known.as_ref()) => loads?,
                () = &mut interrupt => {
                    return Err(Failure::Live("interrupted before the load began".to_owned()));
                }
            };
            eprintln!("wsp: {} connected in {:.2?}", self.connections, begun.elapsed());
            let report = self.load(loads, interrupt).await?;
            report.print(self.json)?;
            Ok(report.exit_code())
        })?
    }

    async fn prepared(
        &self,
        asked: &Questions,
        known: Option<&Contract>,
    ) -> Result<Vec<Load>, Failure> {
        let mut loads = self.loads(self.connect(known).await?, asked, known)?;
        let preparing = loads.iter_mut().map(Load::prepare);
        stream::iter(preparing).buffer_unordered(OPENING).try_collect::<()>().await?;
        Ok(loads)
    }

    async fn connect(&self, known: Option<&Contract>) -> Result<Vec<Lasting>, Failure> {
        let spoken = self.door.with_token(|token| payload::of_connection(token, 0));
        let spoken = spoken.spoken(known).await?;
        let opening = |c: u32| async move {
            let door = self.door.with_token(|token| payload::of_connection(token, c));
            let live = Lasting::open_as(door, spoken).await;
            live.map_err(|failure| {
                let of = self.connections;
                Failure::Live(format!("connection {} of {of}: {failure}", c + 1))
            })
        };
        // In their order, for the number of a connection is also who it is.
        stream::iter(0..self.connections).map(opening).buffered(OPENING).try_collect().await
    }

    fn loads(
        &self,
        live: Vec<Lasting>,
        asked: &Questions,
        known: Option<&Contract>,
    ) -> Result<Vec<Load>, Failure> {
        let callers = self.callers.unwrap_or(self.connections).min(self.connections);
        let few = if self.rate.is_some() { MANY } else { 1 };
        let busy = if asked.call.is_some() { callers } else { 0 };
        let plan = Arc::new(Plan {
            requests: self.requests,
            asked: AtomicU64::new(0),
            rate: self.rate,
            callers,
            in_flight: self.in_flight.map_or(few, |many| many as usize),
            busy: AtomicU32::new(busy),
            rested: Notify::new(),
        });
        let shards = available_parallelism().map_or(1, std::num::NonZero::get);
        let tallies: Vec<_> = (0..shards)
            .map(|_| Tally::new().map(Mutex::new).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let request = |of: &Option<Question>, c: u32| -> Result<_, Failure> {
            let Some((kind, template)) = of else { return Ok(None) };
            let payload = template.of_connection(c, self.door.format())?;
            let timeout = Duration::from_millis(self.timeout);
            Ok(Some(Request::new(kind, payload, streams(known, kind), timeout)))
        };
        (0_u32..)
            .zip(live)
            .map(|(c, live)| {
                let channels = self.subscribe.iter().map(|channel| {
                    let channel = payload::of_connection(channel, c);
                    Address::parse(channel.as_str())
                        .map_err(|error| Failure::Live(format!("`{channel}`: {error}")))
                });
                let channels = channels.collect::<Result<_, _>>()?;
                let call = if c < callers { request(&asked.call, c)? } else { None };
                let requests = [call, request(&asked.first, c)?];
                let tally = Arc::clone(&tallies[c as usize % shards]);
                Ok(Load::new(Arc::clone(&plan), c, live, requests, channels, tally))
            })
            .collect()
    }

    async fn load(
        &self,
        mut loads: Vec<Load>,
        mut interrupt: Interrupt,
    ) -> Result<Report, Failure> {
        let tallies: Vec<_> = loads.iter().map(Load::tally).collect();
        let paces: Vec<_> = loads.iter_mut().filter_map(Load::messages_per_s).collect();
        let Some(plan) = loads.first().map(Load::plan) else {
            return Err(Failure::Live("no connection is asked for".to_owned()));
        };
        let generator = Generator::start()?;
        let (phase, phases) = watch::channel(Phase::Running);
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for load in loads {
            tasks.spawn(load.run(start, phases.clone()));
        }
        let until = self.requests.is_none().then_some(self.duration);
        let mut is_cut = stopped(&mut tasks, &plan, until, &mut interrupt).await;
        let window = start.elapsed();
        let generator = generator.stop(window);
        if !is_cut {
            // Nobody is left to hear it where every connection has ended.
            let _ = phase.send(Phase::Settling);
            let patience = Duration::from_millis(self.timeout);
            tokio::select! {
                () = plan.all_rested() => {}
                () = sleep(patience) => {}
                () = &mut interrupt => is_cut = true,
            }
        }
        let _ = phase.send(Phase::Over);
        while tasks.join_next().await.is_some() {}
        let mut tally = Tally::new()?;
        for one in distinct(tallies) {
            tally.add(&one.lock().unwrap_or_else(std::sync::PoisonError::into_inner))?;
        }
        Ok(Report { asked: self.said(), window, tally, generator, paces, is_cut })
    }

    fn said(&self) -> report::Asked {
        report::Asked {
            connections: self.connections,
            in_flight: self.in_flight,
            rate: self.rate,
            format: self.door.format(),
            has_calls: !self.call.is_empty(),
            has_channels: !self.subscribe.is_empty(),
        }
    }
}

/// A request that the contract takes, with the first of its numbers.
fn template(words: &[String], known: Option<&Contract>) -> Result<Option<Question>, Failure> {
    let Some(kind) = words.first() else { return Ok(None) };
    let template = Template::read(words.get(1).map_or("{}", String::as_str))?;
    let example = template.example()?;
    if let Some(known) = known {
        check_request(known, kind, &example)?;
    }
    Ok(Some((kind.clone(), template)))
}

/// Until the time is over, all that is asked is answered, every connection has ended, or somebody
/// interrupts: then true.
async fn stopped(
    tasks: &mut JoinSet<()>,
    plan: &Plan,
    after: Option<Duration>,
    interrupt: &mut Interrupt,
) -> bool {
    let time = async {
        match after {
            Some(after) => sleep(after).await,
            None => plan.all_rested().await,
        }
    };
    tokio::select! {
        () = time => false,
        () = async { while tasks.join_next().await.is_some() {} } => false,
        () = interrupt => true,
    }
}

/// Connections share what they count in.
fn distinct(tallies: Vec<Arc<Mutex<Tally>>>) -> Vec<Arc<Mutex<Tally>>> {
    let mut all: Vec<Arc<Mutex<Tally>>> = Vec::new();
    for tally in tallies {
        if !all.iter().any(|one| Arc::ptr_eq(one, &tally)) {
            all.push(tally);
        }
    }
    all
}
