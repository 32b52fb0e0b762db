//! One publisher, many subscribers.

use crate::{
    book::{Plan, Table, Verdict},
    child::{SERVER_CORE, Server},
    meter::Meter,
    proto::Format,
    servers::Outcome,
    voice::{Heard, System, Tongue, Voice},
    wire::{Framing, Pipe},
};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::{LocalSet, spawn_local};

/// Events after which a subscriber of a kept channel says what it has.
const ACK_EVERY: u64 = 16;
/// A burst that takes longer than this lost something.
const PATIENCE: Duration = Duration::from_secs(10);

const COLUMNS: [&str; 2] = ["deliveries/s", "CPU us/delivery"];
const CPU: usize = 1;

/// A server and the kind of channel that is listened to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fan {
    pub(crate) system: System,
    /// Kept in a log, and acknowledged.
    pub(crate) is_sure: bool,
}

const fn proto(format: Format, is_sure: bool) -> Fan {
    let framing = match format {
        Format::Json => Framing::Text,
        Format::MessagePack => Framing::Binary,
    };
    Fan { system: System::new("ws-proto", "ws-proto", Tongue::Proto(format), framing), is_sure }
}

/// This framework's JSON, best effort or kept.
pub(crate) const JSON: Fan = proto(Format::Json, false);
pub(crate) const SURE: Fan = proto(Format::Json, true);

/// Bare sockets.
pub(crate) const RAW: Fan = Fan {
    system: System::new("tuned raw", "tuned-fan", Tongue::Bytes(Format::Json), Framing::Text),
    is_sure: false,
};
pub(crate) const NATS: System = System::new("NATS", "nats", Tongue::Nats, Framing::Binary);

/// Measures 1,000 subscribers, with 1 and with 32 events outstanding.
pub(crate) async fn tables(plan: Plan) -> Vec<Table> {
    let systems = [
        ("ws-proto JSON, best effort", JSON),
        ("ws-proto JSON, at least once", SURE),
        ("ws-proto MessagePack, best effort", proto(Format::MessagePack, false)),
        ("ws-proto MessagePack, at least once", proto(Format::MessagePack, true)),
        ("tuned raw", RAW),
        ("NATS over WebSocket", Fan { system: NATS, is_sure: false }),
    ];
    let mut tables = Vec::new();
    let bursts = [("fan-out 1,000 x 1", 1), ("fan-out 1,000 x 32", 32)];
    // The second alone has targets.
    for (name, burst) in bursts.into_iter().skip(usize::from(plan.is_quick)) {
        let how = "A client publishes bursts of 1 or 32 events of 64 bytes of text; the next burst \
                   follows when 1,000 subscribers have all of it. At least once: each subscriber \
                   acknowledges every 16 events. Raw: the same bytes, from \
                   a queue of each connection.";
        let mut table = Table::new(name, how, &COLUMNS, CPU);
        let duration = Duration::from_millis(plan.ms);
        table
            .measure(plan.rounds, &systems, async |fan| run(fan, 1000, burst, duration).await)
            .await;
        tables.push(table);
    }
    tables
}

/// What the targets say about the second table.
pub(crate) fn verdicts(table: &Table) -> Vec<Verdict> {
    let best = "ws-proto JSON, best effort";
    let nats = "NATS over WebSocket";
    [
        table.floor(best, "tuned raw", CPU, 2.0),
        table.floor(best, nats, CPU, 2.0),
        table.floor("ws-proto JSON, at least once", nats, CPU, 1.2),
    ]
    .concat()
}

/// Runs one system; deliveries per second, and microseconds of CPU for each.
pub(crate) async fn run(
    fan: Fan,
    subscribers: usize,
    burst: u64,
    duration: Duration,
) -> Outcome<Vec<f64>> {
    let server = Server::start(fan.system.server, SERVER_CORE)?;
    LocalSet::new().run_until(load(&server, fan, subscribers, burst, duration)).await
}

async fn load(
    server: &Server,
    fan: Fan,
    subscribers: usize,
    burst: u64,
    duration: Duration,
) -> Outcome<Vec<f64>> {
    let meter = Rc::new(Meter::default());
    let channel = if fan.is_sure { "sure/x" } else { "fan/x" };
    for _ in 0..subscribers {
        let (mut pipe, mut voice) = fan.system.connect(server.port, 16 * 1024).await?;
        voice.subscribe(&mut pipe, channel).await?;
        let listening = listen(pipe, voice, fan.is_sure.then_some(channel), Rc::clone(&meter));
        spawn_local(Meter::watch(Rc::clone(&meter), listening));
    }
    let (mut pipe, mut voice) = fan.system.connect(server.port, 16 * 1024).await?;
    let mut publish = async || {
        let mut out = Vec::new();
        for _ in 0..burst {
            voice.publish(channel, &mut out)?;
        }
        let goal = meter.count.get() + burst * subscribers as u64;
        pipe.write(&out).await?;
        let answered = voice.answers(&mut pipe, burst);
        tokio::time::timeout(PATIENCE, answered).await.map_err(|_| "no answer in time")??;
        let reached = meter.reach(goal);
        tokio::time::timeout(PATIENCE, reached).await.map_err(|_| "events were lost")?;
        meter.check()
    };
    let warm = Instant::now();
    while warm.elapsed() < duration / 4 {
        publish().await?;
    }
    let (count, cpu, start) = (meter.count.get(), server.cpu()?, Instant::now());
    while start.elapsed() < duration {
        publish().await?;
    }
    let count = (meter.count.get() - count) as f64;
    let cpu = server.cpu()? - cpu;
    Ok(vec![count / start.elapsed().as_secs_f64(), cpu * 1e6 / count])
}

/// Counts what arrives, and acknowledges it where the channel is kept.
pub(crate) async fn listen(
    mut pipe: Pipe,
    mut voice: Voice,
    kept: Option<&str>,
    meter: Rc<Meter>,
) -> Outcome {
    let mut out = Vec::new();
    let mut due = 0;
    loop {
        pipe.read().await?;
        let mut count = 0;
        while let Some(message) = pipe.next()? {
            let Heard::Event(events) = voice.hear(message)? else { continue };
            count += events;
            due += events;
            if let Some(channel) = kept.filter(|_| due >= ACK_EVERY) {
                let position = voice.proto.position(message).ok_or("an event without a place")?;
                voice.acknowledge(channel, position, &mut out);
                due = 0;
            }
        }
        meter.add(count);
        if !out.is_empty() {
            pipe.write(&out).await?;
            out.clear();
        }
    }
}
