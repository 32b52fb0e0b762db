//! What a connection on which nothing happens costs a server: a ping and its pong.

use crate::{
    Outcome, Workload,
    server::{Peer, with_heartbeats},
};
use std::time::Duration;
use tokio::{io::AsyncWriteExt as _, runtime::Builder, time::advance};
use ws_proto::{Format, Frame, frame::Ping};

pub(crate) const WORKLOADS: &[Workload] = &[
    ("json heartbeat", |rounds| heartbeats(Format::Json, rounds)),
    ("msgpack heartbeat", |rounds| heartbeats(Format::MessagePack, rounds)),
];

/// A client asks for life after this time, and the server only later.
const INTERVAL: Duration = Duration::from_secs(25);

/// Each round, a heartbeat interval passes and the client asks for life.
fn heartbeats(format: Format, rounds: u64) -> Outcome {
    Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(async {
        let server = with_heartbeats(INTERVAL)?;
        let mut peer = Peer::connect(&server, format).await?;
        for _ in 0..rounds {
            advance(INTERVAL).await;
            let mut frames = Vec::new();
            let head = peer.head("$ping");
            peer.frame(head, Frame::Ping(Ping { t: 1 }), &mut frames)?;
            peer.stream.write_all(&frames).await?;
            peer.hear("$pong", 1).await?;
        }
        Ok(())
    })
}
