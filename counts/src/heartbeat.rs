//! What a ping of a client costs a server. Where the server asks, which needs time to pass, its
//! turn is two: one writes the ping and one reads the pong.

use crate::{
    Outcome, Workload,
    server::{PREPARED, Peer, frame, server},
};
use tokio::{io::AsyncWriteExt as _, runtime::Builder};
use ws_proto::{Format, Frame, frame::Ping};

/// One heartbeat of a client, without the time before it: what it costs to set a timer anew when a
/// second or more has passed is not counted.
pub(crate) const WORKLOADS: &[Workload] = &[
    ("json heartbeat", |rounds| heartbeats(Format::Json, rounds)),
    ("msgpack heartbeat", |rounds| heartbeats(Format::MessagePack, rounds)),
];

fn heartbeats(format: Format, rounds: u64) -> Outcome {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let server = server()?;
        let mut peer = Peer::connect(&server, format).await?;
        let pings = (0..rounds.max(PREPARED)).map(|t| ping(&mut peer, t));
        let pings = pings.collect::<Outcome<Vec<_>>>()?;
        for ping in &pings[..usize::try_from(rounds)?] {
            peer.stream.write_all(ping).await?;
            peer.hear("$pong", 1).await?;
        }
        Ok(())
    })
}

fn ping(peer: &mut Peer, t: u64) -> Outcome<Vec<u8>> {
    let head = peer.head("$ping");
    let mut bytes = Vec::new();
    frame(peer.format, head, Frame::Ping(Ping { t }), &mut bytes)?;
    Ok(bytes)
}
