//! Everybody connects at once.

use crate::{
    book::{Plan, Table, Verdict},
    child::{SERVER_CORE, Server},
    fanout::{NATS, SURE},
    meter::Meter,
    requests::SYSTEMS,
    servers::Outcome,
    voice::System,
};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::{LocalSet, spawn_local};

const COLUMNS: [&str; 4] = ["connections/s", "CPU us/connection", "p50 ms", "slowest ms"];
const CPU: usize = 1;
const OWN: &str = "ws-proto, hello and one subscription";
const CLIENTS: u32 = 2_000;

/// Measures 2,000 clients.
pub(crate) async fn table(plan: Plan) -> Table {
    let others = ["tuned raw, text", "default raw", "jsonrpsee", "socketioxide"];
    let others = &others[..if plan.is_quick { 1 } else { others.len() }];
    let mut systems = vec![(OWN, SURE.system)];
    systems.extend(
        SYSTEMS.into_iter().filter(|system| others.contains(&system.name)).map(|s| (s.name, s)),
    );
    if !plan.is_quick {
        systems.push(("NATS over WebSocket", NATS));
    }
    let how = "2,000 clients connect at once, and each is there when it may speak: raw with the \
               upgrade, ws-proto and NATS with the answer to their subscription. ws-proto sends \
               hello and subscription together.";
    let mut table = Table::new("storm of 2,000", how, &COLUMNS, CPU);
    table.measure(plan.rounds, &systems, run).await;
    table
}

/// What the target says.
pub(crate) fn verdicts(table: &Table) -> Vec<Verdict> {
    table.floor(OWN, "tuned raw, text", CPU, 0.8)
}

async fn run(system: System) -> Outcome<Vec<f64>> {
    let server = Server::start(system.server, SERVER_CORE)?;
    LocalSet::new().run_until(load(&server, system)).await
}

async fn load(server: &Server, system: System) -> Outcome<Vec<f64>> {
    let meter = Rc::new(Meter::default());
    let port = server.port;
    let (cpu, start) = (server.cpu()?, Instant::now());
    for _ in 0..CLIENTS {
        let counted = Rc::clone(&meter);
        let client = async move {
            let _listening = system.listen(port, 512, "sure/x").await?;
            counted.times.borrow_mut().push(start.elapsed().as_secs_f64() * 1e3);
            counted.add(1);
            // Nobody leaves before everybody came.
            std::future::pending().await
        };
        spawn_local(Meter::watch(Rc::clone(&meter), client));
    }
    let all = meter.reach(CLIENTS.into());
    tokio::time::timeout(Duration::from_secs(20), all).await.map_err(|_| "not all came in")?;
    meter.check()?;
    let (cpu, seconds) = (server.cpu()? - cpu, start.elapsed().as_secs_f64());
    let times = meter.times.borrow();
    Ok(vec![
        f64::from(CLIENTS) / seconds,
        cpu * 1e6 / f64::from(CLIENTS),
        Meter::quantile(&times, 0.5),
        Meter::quantile(&times, 1.0),
    ])
}
