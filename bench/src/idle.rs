//! Connections that do nothing.

use crate::{
    book::{Plan, Table, Verdict},
    child::{SERVER_CORE, Server},
    fanout::{NATS, SURE},
    requests::SYSTEMS,
    servers::Outcome,
    voice::System,
};
use std::time::{Duration, Instant};

const COLUMNS: [&str; 2] = ["KiB/connection", "CPU ms/s"];
const MEMORY: usize = 0;
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
                   is sent. ws-proto has a session and listens to a channel at least once; NATS \
                   listens too, the others are connected only.";
        let mut table = Table::new(name, how, &COLUMNS, MEMORY);
        let quiet = Duration::from_secs(if *count == 10_000 { 10 } else { 2 });
        table.measure(1, &systems, async |system| run(system, *count, quiet).await).await;
        tables.push(table);
    }
    tables
}

/// At most 8 KiB, counted in units of them.
pub(crate) fn verdicts(tables: &[Table]) -> Vec<Verdict> {
    let verdict = |table: &Table| {
        let value = table.median(OWN, MEMORY)? / 8.0;
        let what = format!("{}: KiB of a connection, in units of 8", table.name);
        Some(Verdict { what, value, target: 1.0, is_floor: false })
    };
    tables.iter().filter_map(verdict).collect()
}

async fn run(system: System, count: u32, quiet: Duration) -> Outcome<Vec<f64>> {
    let server = Server::start(system.server, SERVER_CORE)?;
    let before = server.memory()?;
    let mut open = Vec::new();
    for _ in 0..count {
        let (mut pipe, mut voice) = system.connect(server.port, 512).await?;
        voice.subscribe(&mut pipe, "sure/x").await?;
        open.push((pipe, voice));
    }
    // What connecting left to do is not idleness.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let memory = (server.memory()? - before) / 1024.0 / f64::from(count);
    let (cpu, start) = (server.cpu()?, Instant::now());
    tokio::time::sleep(quiet).await;
    let cpu = (server.cpu()? - cpu) * 1e3 / start.elapsed().as_secs_f64();
    Ok(vec![memory, cpu])
}
