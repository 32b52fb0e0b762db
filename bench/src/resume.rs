//! Everybody lost their connection, and comes back at once.

use crate::{
    book::{Plan, Table},
    child::{SERVER_CORE, Server},
    fanout::SURE,
    meter::Meter,
    servers::Outcome,
    voice::{Heard, Voice},
    wire::Pipe,
};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::{LocalSet, spawn_local};

const COLUMNS: [&str; 4] = ["clients/s", "CPU us/client", "p50 ms", "slowest ms"];
const CLIENTS: usize = 1_000;
/// Events that each client missed.
const MISSED: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures 1,000 clients.
pub(crate) async fn table(plan: Plan) -> Table {
    let how = "1,000 clients lose their connections, 10 events are published, and all come back \
               at once: each is there when its session was resumed and it has the 10 events. \
               Beside it, as many with new sessions, which subscribe and missed the events.";
    let mut table = Table::new("resume of 1,000", how, &COLUMNS, 1);
    let cells = [("resumed, with 10 events", true), ("new sessions", false)];
    table.measure(plan.rounds, &cells, run).await;
    table
}

async fn run(resumes: bool) -> Outcome<Vec<f64>> {
    let server = Server::start(SURE.system.server, SERVER_CORE)?;
    LocalSet::new().run_until(load(&server, resumes)).await
}

async fn load(server: &Server, resumes: bool) -> Outcome<Vec<f64>> {
    let mut before = Vec::new();
    for _ in 0..CLIENTS {
        let (mut pipe, mut voice) = SURE.system.connect(server.port, 512).await?;
        voice.subscribe(&mut pipe, "sure/x").await?;
        before.push((pipe, voice));
    }
    let voices: Vec<Voice> = before.into_iter().map(|(_, voice)| voice).collect();
    let (mut pipe, mut publisher) = SURE.system.connect(server.port, 512).await?;
    let mut out = Vec::new();
    for _ in 0..MISSED {
        publisher.publish("sure/x", &mut out)?;
    }
    pipe.write(&out).await?;
    publisher.answers(&mut pipe, MISSED).await?;
    // Losing the connections is not part of coming back.
    tokio::time::sleep(Duration::from_millis(300)).await;

    let meter = Rc::new(Meter::default());
    let port = server.port;
    let (cpu, start) = (server.cpu()?, Instant::now());
    for voice in voices {
        let counted = Rc::clone(&meter);
        let client = async move {
            let open = if resumes { resume(port, &voice).await } else { anew(port).await }?;
            counted.times.borrow_mut().push(start.elapsed().as_secs_f64() * 1e3);
            counted.add(1);
            std::future::pending::<()>().await;
            drop(open);
            Ok(())
        };
        spawn_local(Meter::watch(Rc::clone(&meter), client));
    }
    let all = meter.reach(CLIENTS as u64);
    tokio::time::timeout(PATIENCE, all).await.map_err(|_| "not all came back")?;
    meter.check()?;
    let (cpu, seconds) = (server.cpu()? - cpu, start.elapsed().as_secs_f64());
    let times = meter.times.borrow();
    let clients = CLIENTS as f64;
    let slowest = Meter::quantile(&times, 1.0);
    Ok(vec![clients / seconds, cpu * 1e6 / clients, Meter::quantile(&times, 0.5), slowest])
}

async fn resume(port: u16, before: &Voice) -> Outcome<Pipe> {
    let system = SURE.system;
    let mut pipe = Pipe::connect(port, system.framing, &system.upgrade(), 4096).await?;
    let mut voice = system.voice();
    pipe.say(&voice.proto.hello(Some(&before.proto))).await?;
    if !voice.proto.welcome(&pipe.message().await?)?.resumed {
        return Err("a session was not resumed".into());
    }
    let mut events = 0;
    while events < MISSED {
        if let Heard::Event(more) = voice.hear(&pipe.message().await?)? {
            events += more;
        }
    }
    Ok(pipe)
}

async fn anew(port: u16) -> Outcome<Pipe> {
    let (mut pipe, mut voice) = SURE.system.connect(port, 512).await?;
    voice.subscribe(&mut pipe, "sure/x").await?;
    Ok(pipe)
}
