//! Requests and their answers: a certain number of connections, each with so many under way.

use crate::{
    book::{Plan, Table, Verdict},
    child::{GENERATOR_CORE, Patient, SERVER_CORE, Server},
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

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    /// Requests of each connection that have no answer yet.
    pub(crate) depth: usize,
}

impl Shape {
    fn is_alone(self) -> bool {
        self.connections == 1 && self.depth == 1
    }
}

/// One at a time. Both ends share a core, so that no waking of a sleeping core is measured, and
/// neither takes it from the other: see [`Patient`].
pub(crate) const PING_PONG: Shape = Shape { name: "ping-pong", connections: 1, depth: 1 };
pub(crate) const SHAPES: [Shape; 3] = [
    PING_PONG,
    Shape { name: "1 x 64", connections: 1, depth: 64 },
    Shape { name: "50 x 16", connections: 50, depth: 16 },
];

const PACKED: Format = Format::MessagePack;

/// This framework in JSON, and the echo of the same bytes.
pub(crate) const JSON: System =
    System::new("ws-proto JSON", "ws-proto", Tongue::Proto(Format::Json), Framing::Text);
pub(crate) const RAW: System =
    System::new("tuned raw, text", "tuned", Tongue::Bytes(Format::Json), Framing::Text);

/// What is compared. "Bytes" servers echo the same frames without looking into them.
pub(crate) const SYSTEMS: [System; 9] = [
    JSON,
    System::new("ws-proto MessagePack", "ws-proto", Tongue::Proto(PACKED), Framing::Binary),
    RAW,
    System::new("tuned raw, binary", "tuned", Tongue::Bytes(PACKED), Framing::Binary),
    System::new("default raw", "default", Tongue::Bytes(Format::Json), Framing::Text),
    System::new("raw TCP", "tcp", Tongue::Bytes(Format::Json), Framing::Length),
    System::new("jsonrpsee", "jsonrpsee", Tongue::JsonRpc, Framing::Text),
    System::new("socketioxide", "socketioxide", Tongue::SocketIo, Framing::Text),
    System::new("Socket.IO on node", "socket.io", Tongue::SocketIo, Framing::Text),
];

/// Shorter runs, and so many times more: the speed of a core changes from moment to moment.
const PARTS: usize = 4;
const COLUMNS: [&str; 4] = ["requests/s", "CPU us/request", "p50 us", "p99 us"];
const CPU: usize = 1;
const P50: usize = 2;

/// Measures every shape.
pub(crate) async fn tables(plan: Plan) -> Vec<Table> {
    // Without these the targets can still be judged.
    let left_out = ["raw TCP", "socketioxide", "Socket.IO on node"];
    let is_shown = |system: &System| !plan.is_quick || !left_out.contains(&system.name);
    let systems: Vec<_> =
        SYSTEMS.into_iter().filter(is_shown).map(|system| (system.name, system)).collect();
    let mut tables = Vec::new();
    for shape in SHAPES {
        let is_alone = shape.is_alone();
        let (how, columns, shown) = if is_alone {
            ("One request at a time, server and generator on one core.", &COLUMNS[..], P50)
        } else {
            let how = "Connections x requests under way on each; 64 bytes of text there and back. \
                       Raw: the same bytes, echoed without a look into them.";
            (how, &COLUMNS[..P50], CPU)
        };
        let mut table = Table::new(shape.name, how, columns, shown);
        let (rounds, duration) = (plan.rounds * PARTS, plan.ms / PARTS as u64);
        let duration = Duration::from_millis(duration);
        let patient = is_alone.then(Patient::begin);
        table.measure(rounds, &systems, async |system| run(system, shape, duration).await).await;
        drop(patient);
        tables.push(table);
    }
    tables
}

/// What the targets say about these tables.
pub(crate) fn verdicts(tables: &[Table]) -> Vec<Verdict> {
    let rows = [
        ("ws-proto JSON", "tuned raw, text", 0.75),
        ("ws-proto MessagePack", "tuned raw, binary", 0.95),
    ];
    let mut verdicts = Vec::new();
    for table in tables {
        for (row, raw, target) in rows {
            if table.name == PING_PONG.name {
                verdicts.extend(table.roof(row, "default raw", P50, 1.05));
            } else {
                verdicts.extend(table.floor(row, raw, CPU, target));
                verdicts.extend(table.floor(row, "jsonrpsee", CPU, 8.0));
            }
        }
    }
    verdicts
}

/// Runs one system in one shape, for `duration` after as long a warm-up.
async fn run(system: System, shape: Shape, duration: Duration) -> Outcome<Vec<f64>> {
    let core = if shape.is_alone() { GENERATOR_CORE } else { SERVER_CORE };
    let server = Server::start(system.server, core)?;
    LocalSet::new().run_until(load(&server, system, shape, duration)).await
}

/// The same with a server that runs; needs a [`LocalSet`].
pub(crate) async fn load(
    server: &Server,
    system: System,
    shape: Shape,
    duration: Duration,
) -> Outcome<Vec<f64>> {
    let meter = Rc::new(Meter::default());
    for _ in 0..shape.connections {
        let (pipe, voice) = system.connect(server.port, 64 * 1024).await?;
        let asking = ask(pipe, voice, shape.depth, Rc::clone(&meter));
        spawn_local(Meter::watch(Rc::clone(&meter), asking));
    }
    tokio::time::sleep(duration).await;
    meter.times.borrow_mut().clear();
    let (count, cpu, start) = (meter.count.get(), server.cpu()?, Instant::now());
    tokio::time::sleep(duration).await;
    let (count, cpu) = (meter.count.get() - count, server.cpu()? - cpu);
    let seconds = start.elapsed().as_secs_f64();
    meter.check()?;
    if count == 0 {
        return Err(format!("{} answered nothing", system.name).into());
    }
    let times = meter.times.borrow();
    let count = count as f64;
    let quantile = |share| Meter::quantile(&times, share);
    Ok(vec![count / seconds, cpu * 1e6 / count, quantile(0.5), quantile(0.99)])
}

/// Keeps `depth` requests under way: each answer is followed by another request, and all requests
/// that follow what one read brought leave in one write.
async fn ask(mut pipe: Pipe, mut voice: Voice, depth: usize, meter: Rc<Meter>) -> Outcome {
    let mut out = Vec::new();
    let mut due = depth;
    loop {
        out.clear();
        for _ in 0..due {
            voice.request(&mut out)?;
        }
        let asked = Instant::now();
        pipe.write(&out).await?;
        due = 0;
        while due == 0 {
            pipe.read().await?;
            while let Some(message) = pipe.next()? {
                due += usize::from(voice.hear(message)? == Heard::Answer);
            }
        }
        if depth == 1 {
            meter.times.borrow_mut().push(asked.elapsed().as_secs_f64() * 1e6);
        }
        meter.count.set(meter.count.get() + due as u64);
    }
}
