//! What one message costs while there is more of everything else.

use crate::{
    book::{Plan, Table, Verdict},
    child::{SERVER_CORE, Server},
    fanout::{self, JSON, SURE},
    meter::Meter,
    proto,
    requests::{self, Shape},
    servers::Outcome,
    voice::Heard,
};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::{LocalSet, spawn_local};

const COLUMNS: [&str; 3] = ["CPU us/message", "p50 us", "server MiB"];
const SIZES: [(&str, usize); 3] = [("100", 100), ("1,000", 1_000), ("10,000", 10_000)];
/// Connections that share the channels: as many in each cell, or batches would differ.
const LISTENERS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures each kind of growth.
pub(crate) async fn tables(plan: Plan) -> Vec<Table> {
    let sizes = if plan.is_quick { &[SIZES[0], SIZES[2]][..] } else { &SIZES[..] };
    // More than of others: single runs of one program differed by a quarter.
    let rounds = if plan.is_quick { 1 } else { plan.rounds + 2 };
    let time = Duration::from_millis(plan.ms);
    let new = |name, how| Table::new(name, how, &COLUMNS, 0);
    let pairs = pairs(sizes);
    let pairs: Vec<_> = pairs.iter().map(|(name, cell)| (name.as_str(), *cell)).collect();

    let how = "16 connections with one request under way each, among so many that do nothing.";
    let mut connections = new("growth: connections", how);
    connections.measure(rounds, &pairs, async |cell| among(cell, time).await).await;

    let how = "Bursts of 32 events, each on another of so many channels with one subscriber each, \
               best effort; 100 connections share them. p50 is that of a burst.";
    let mut channels = new("growth: channels", how);
    channels.measure(rounds, sizes, async |count| across(count, time).await).await;

    let how = "Bursts of 8 events to so many subscribers of one channel, best effort; the cost is \
               that of a delivery.";
    let mut subscribers = Table::new("growth: subscribers", how, &COLUMNS[..1], 0);
    let fan = async |(is_own, count)| {
        let fan = if is_own { JSON } else { fanout::RAW };
        Ok(vec![fanout::run(fan, count, 8, time).await?[1]])
    };
    subscribers.measure(rounds, &pairs, fan).await;

    let how = "A subscriber comes back after so many events and is sent them from the log, at most \
               256 ahead of its acknowledgements; p50 is the time of the whole replay.";
    let mut backlog = new("growth: backlog", how);
    backlog.measure(rounds, sizes, replay).await;
    vec![connections, channels, subscribers, backlog]
}

/// What the target says. What bare sockets cost more, when there are many, stands in the tables.
pub(crate) fn verdicts(tables: &[Table]) -> Vec<Verdict> {
    let rows = [("10,000", "100"), ("ws-proto, 10,000", "ws-proto, 100")];
    let of = |table: &Table| rows.map(|(many, few)| table.roof(many, few, 0, 1.2)).concat();
    tables.iter().flat_map(of).collect()
}

/// This framework and bare sockets, in each size.
fn pairs(sizes: &[(&str, usize)]) -> Vec<(String, (bool, usize))> {
    let own = sizes.iter().map(|(name, count)| (format!("ws-proto, {name}"), (true, *count)));
    let raw = sizes.iter().map(|(name, count)| (format!("tuned raw, {name}"), (false, *count)));
    own.chain(raw).collect()
}

async fn among((is_own, count): (bool, usize), duration: Duration) -> Outcome<Vec<f64>> {
    let system = if is_own { requests::JSON } else { requests::RAW };
    let server = Server::start(system.server, SERVER_CORE)?;
    let shape = Shape { name: "16 x 1", connections: 16, depth: 1 };
    let run = async {
        let mut idle = Vec::new();
        for _ in shape.connections..count {
            idle.push(system.connect(server.port, 512).await?);
        }
        let measured = requests::load(&server, system, shape, duration).await?;
        Ok(vec![measured[1], measured[2], server.memory()? / 1024.0 / 1024.0])
    };
    LocalSet::new().run_until(run).await
}

async fn across(count: usize, duration: Duration) -> Outcome<Vec<f64>> {
    let server = Server::start(JSON.system.server, SERVER_CORE)?;
    LocalSet::new().run_until(publish_across(&server, count, duration)).await
}

async fn publish_across(server: &Server, count: usize, duration: Duration) -> Outcome<Vec<f64>> {
    let meter = Rc::new(Meter::default());
    let channels: Vec<String> = (0..count).map(|number| format!("fan/c{number}")).collect();
    for group in channels.chunks(count.div_ceil(LISTENERS)) {
        let (mut pipe, mut voice) = JSON.system.connect(server.port, 4096).await?;
        for channel in group {
            voice.subscribe(&mut pipe, channel).await?;
        }
        let listening = fanout::listen(pipe, voice, None, Rc::clone(&meter));
        spawn_local(Meter::watch(Rc::clone(&meter), listening));
    }
    let (mut pipe, mut voice) = JSON.system.connect(server.port, 16 * 1024).await?;
    // A step that meets every channel, in an order that no cache foresees.
    let mut turn = (0..).map(|step: usize| step * 7919 % count);
    let mut out = Vec::new();
    let (mut cpu, mut start, mut before) = (0.0, Instant::now(), 0);
    let mut is_warm = false;
    loop {
        if !is_warm && start.elapsed() > duration / 4 {
            (cpu, start, before) = (server.cpu()?, Instant::now(), meter.count.get());
            meter.times.borrow_mut().clear();
            is_warm = true;
        }
        if is_warm && start.elapsed() > duration {
            break;
        }
        out.clear();
        for channel in turn.by_ref().take(32) {
            voice.publish(&channels[channel], &mut out)?;
        }
        let (goal, asked) = (meter.count.get() + 32, Instant::now());
        pipe.write(&out).await?;
        let done = async {
            voice.answers(&mut pipe, 32).await?;
            meter.reach(goal).await;
            meter.check()
        };
        tokio::time::timeout(PATIENCE, done).await.map_err(|_| "events were lost")??;
        meter.times.borrow_mut().push(asked.elapsed().as_secs_f64() * 1e6);
    }
    let cpu = (server.cpu()? - cpu) * 1e6 / (meter.count.get() - before) as f64;
    let p50 = Meter::quantile(&meter.times.borrow(), 0.5);
    Ok(vec![cpu, p50, server.memory()? / 1024.0 / 1024.0])
}

async fn replay(count: usize) -> Outcome<Vec<f64>> {
    let server = Server::start(SURE.system.server, SERVER_CORE)?;
    let channel = "deep/x";
    let (mut pipe, mut voice) = SURE.system.connect(server.port, 64 * 1024).await?;
    let mut epoch = None;
    for published in 0..count {
        let mut out = Vec::new();
        voice.publish(channel, &mut out)?;
        pipe.write(&out).await?;
        let answer = pipe.message().await?;
        if published == 0 {
            epoch = proto::Client::epoch(&answer);
        }
        voice.hear(&answer)?;
    }
    let epoch = epoch.ok_or("no epoch")?;
    // As many events in every cell: several subscribers, one after the other, where each has few.
    let times = SIZES[2].1 / count;
    let mut waiting = Vec::new();
    for _ in 0..times {
        waiting.push(SURE.system.connect(server.port, 16 * 1024).await?);
    }
    let cpu = server.cpu()?;
    let mut durations = Vec::new();
    for (pipe, voice) in &mut waiting {
        let start = Instant::now();
        let mut message = Vec::new();
        voice.proto.subscribe_since(channel, &epoch, &mut message);
        pipe.say(&message).await?;
        let replay = async {
            let mut events = 0;
            while events < count as u64 {
                let message = pipe.message().await?;
                let Heard::Event(more) = voice.hear(&message)? else { continue };
                events += more;
                if events.is_multiple_of(16) {
                    let mut out = Vec::new();
                    let position = voice.proto.position(&message).ok_or("no place")?;
                    voice.acknowledge(channel, position, &mut out);
                    pipe.write(&out).await?;
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        tokio::time::timeout(PATIENCE, replay).await.map_err(|_| "the replay stands still")??;
        durations.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let cpu = (server.cpu()? - cpu) * 1e6 / (times * count) as f64;
    let p50 = Meter::quantile(&durations, 0.5);
    Ok(vec![cpu, p50, server.memory()? / 1024.0 / 1024.0])
}
