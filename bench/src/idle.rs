//! Connections that do nothing but live.

use crate::{
    book::{Plan, Table, Verdict},
    child::{SERVER_CORE, Server},
    fanout::{NATS, SURE},
    meter::Meter,
    requests::SYSTEMS,
    servers::Outcome,
    voice::{System, Tongue},
};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::{LocalSet, spawn_local};

const COLUMNS: [&str; 2] = ["KiB/connection", "CPU ms/s"];
const MEMORY: usize = 0;
const CPU: usize = 1;
/// No heartbeat of ws-proto's default comes later.
const INTERVAL: Duration = Duration::from_secs(30);
const OWN: &str = "ws-proto, session and one subscription";

/// Measures 5,000 and 10,000 connections.
pub(crate) async fn tables(plan: Plan) -> Vec<Table> {
    let mut systems = vec![(OWN, SURE.system)];
    let others = ["tuned raw, text", "default raw", "raw TCP", "jsonrpsee", "socketioxide"];
    for system in SYSTEMS {
        let is_shown = others.contains(&system.name) && !plan.is_quick;
        if is_shown || system.name == "tuned raw, text" {
            systems.push((system.name, system));
        }
    }
    if !plan.is_quick {
        systems.push(("NATS over WebSocket", NATS));
    }
    let sizes = [("idle, 5,000", 5_000), ("idle, 10,000", 10_000)];
    let mut tables = Vec::new();
    for (name, count) in &sizes[..if plan.is_quick { 1 } else { 2 }] {
        let how = "Anonymous memory of the server for each connection, and its CPU while nothing \
                   is sent but what keeps connections alive. ws-proto has a session and listens to \
                   a channel at least once; its CPU is that of whole heartbeat intervals of 30 s, \
                   one at 5,000 and two at 10,000. NATS listens too, the others are connected \
                   only: nothing is sent in their 2 or 10 s.";
        let mut table = Table::new(name, how, &COLUMNS, MEMORY);
        let is_large = *count == 10_000;
        let run = async |system: System| {
            let quiet = match system.tongue {
                Tongue::Proto(_) => INTERVAL * if is_large { 2 } else { 1 },
                _ => Duration::from_secs(if is_large { 10 } else { 2 }),
            };
            LocalSet::new().run_until(run(system, *count, quiet)).await
        };
        table.measure(1, &systems, run).await;
        tables.push(table);
    }
    tables
}

/// At most 8 KiB for a connection, and of 10,000 less than a hundredth of a core: in units of both.
pub(crate) fn verdicts(tables: &[Table]) -> Vec<Verdict> {
    let memory = |table: &Table| {
        let value = table.median(OWN, MEMORY)? / 8.0;
        let what = format!("{}: KiB of a connection, in units of 8", table.name);
        Some(Verdict { what, value, target: 1.0, is_floor: false })
    };
    let cpu = |table: &Table| {
        let value = table.median(OWN, CPU)? / 10.0;
        let what = format!("{}: CPU ms/s, in units of 10", table.name);
        Some(Verdict { what, value, target: 1.0, is_floor: false })
    };
    tables.iter().flat_map(|table| [memory(table), cpu(table)]).flatten().collect()
}

async fn run(system: System, count: u32, quiet: Duration) -> Outcome<Vec<f64>> {
    let server = Server::start(system.server, SERVER_CORE)?;
    let before = server.memory()?;
    let meter = Rc::new(Meter::default());
    let mut open = Vec::new();
    for _ in 0..count {
        let (pipe, voice) = system.listen(server.port, 512, "sure/x").await?;
        if matches!(system.tongue, Tongue::Proto(_)) {
            spawn_local(Meter::watch(Rc::clone(&meter), voice.stay(pipe)));
        } else {
            open.push((pipe, voice));
        }
    }
    // What connecting left to do is not idleness.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let memory = (server.memory()? - before) / 1024.0 / f64::from(count);
    let (cpu, start) = (server.cpu()?, Instant::now());
    tokio::time::sleep(quiet).await;
    meter.check()?;
    let cpu = (server.cpu()? - cpu) * 1e3 / start.elapsed().as_secs_f64();
    Ok(vec![memory, cpu])
}
