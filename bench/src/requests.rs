//! Requests and their answers: a certain number of connections, each with so many under way.

use crate::{
    child::{GENERATOR_CORE, SERVER_CORE, Server},
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

/// One at a time. Both ends share a core, so that no waking of a sleeping core is measured.
pub(crate) const PING_PONG: Shape = Shape { name: "ping-pong", connections: 1, depth: 1 };
pub(crate) const SHAPES: [Shape; 3] = [
    PING_PONG,
    Shape { name: "1 x 64", connections: 1, depth: 64 },
    Shape { name: "50 x 16", connections: 50, depth: 16 },
];

const JSON: Format = Format::Json;
const PACKED: Format = Format::MessagePack;

/// What is compared. "Bytes" servers echo the same frames without looking into them.
pub(crate) const SYSTEMS: [System; 8] = [
    System::new("ws-proto JSON", "ws-proto", Tongue::Proto(JSON), Framing::Text),
    System::new("ws-proto MessagePack", "ws-proto", Tongue::Proto(PACKED), Framing::Binary),
    System::new("tuned raw, text", "tuned", Tongue::Bytes(JSON), Framing::Text),
    System::new("tuned raw, binary", "tuned", Tongue::Bytes(PACKED), Framing::Binary),
    System::new("default raw", "default", Tongue::Bytes(JSON), Framing::Text),
    System::new("raw TCP", "tcp", Tongue::Bytes(JSON), Framing::Length),
    System::new("jsonrpsee", "jsonrpsee", Tongue::JsonRpc, Framing::Text),
    System::new("socketioxide", "socketioxide", Tongue::SocketIo, Framing::Text),
];

/// What one run showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    /// Microseconds of the server's CPU for each request.
    pub(crate) cpu: f64,
    /// Microseconds; only with one request at a time.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Runs one system in one shape, for `duration` after a quarter of it.
pub(crate) async fn run(system: System, shape: Shape, duration: Duration) -> Outcome<Measured> {
    let is_alone = shape.depth == 1;
    let core = if is_alone { GENERATOR_CORE } else { SERVER_CORE };
    let server = Server::start(system.server, core)?;
    LocalSet::new().run_until(load(&server, system, shape, duration)).await
}

async fn load(
    server: &Server,
    system: System,
    shape: Shape,
    duration: Duration,
) -> Outcome<Measured> {
    let meter = Rc::new(Meter::default());
    for _ in 0..shape.connections {
        let (pipe, voice) = system.connect(server.port, 64 * 1024).await?;
        let asking = ask(pipe, voice, shape.depth, Rc::clone(&meter));
        spawn_local(Meter::watch(Rc::clone(&meter), asking));
    }
    tokio::time::sleep(duration / 4).await;
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
    Ok(Measured {
        per_second: count as f64 / seconds,
        cpu: cpu * 1e6 / count as f64,
        p50: Meter::quantile(&times, 0.5),
        p99: Meter::quantile(&times, 0.99),
    })
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
