//! Peers that break the rules over real sockets: each gets what `docs/protocol.md` says, and
//! everybody else is served meanwhile.

mod answered;
mod closed;
mod flooding;
#[path = "../support/frames.rs"]
mod frames;
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/mod.rs"]
mod support;

use peer::{HANG, Peer, Seen};
use std::{
    net::SocketAddr,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
};
use support::{App, Echo, Lab};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};
use ws_proto::{CloseCode, Frame, MessageId};
use ws_runtime::{Client, Server, ServerConfig};

/// A server, and somebody who calls it all the time.
struct Site {
    server: Server<Lab>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    bystander: JoinHandle<u32>,
}

impl Site {
    async fn open() -> Self {
        Self::with(ServerConfig::default()).await
    }

    async fn with(config: ServerConfig) -> Self {
        count_panics();
        let server = Server::<Lab>::with_config(App::default(), config).unwrap();
        let bound = server.bind("127.0.0.1:0").await.unwrap();
        let address = bound.local_addr().unwrap();
        tokio::spawn(bound.serve());
        let client = Client::<Lab>::builder(format!("ws://{address}/"))
            .token(|| async { "ann".to_owned() })
            .connect()
            .await
            .unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let bystander = tokio::spawn(async move {
            let mut calls = 0;
            while stopped.try_recv().is_err() {
                let text = calls.to_string();
                assert_eq!(client.call(Echo { text: text.clone() }).await, Ok(text));
                calls += 1;
            }
            client.close().await;
            calls
        });
        Self { server, address, stop, bystander }
    }

    /// The bystander was served all the time, nothing panicked, and nobody else is left.
    async fn close(self) {
        let alone = async {
            while self.server.connections().len() > 1 {
                tokio::task::yield_now().await;
            }
        };
        timeout(HANG, alone).await.expect("a connection outlived its peer");
        let _ = self.stop.send(());
        let calls = timeout(HANG, self.bystander).await.expect("the bystander was not answered");
        assert!(calls.expect("the bystander was served") > 0);
        assert_eq!(PANICS.load(Ordering::Relaxed), 0, "something panicked");
    }
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    /// What `$close` or `$reject` said.
    told: Option<CloseCode>,
    /// What the WebSocket close frame said.
    closed: Option<u16>,
}

impl Ending {
    fn with(code: u16) -> Self {
        Self { told: Some(CloseCode(code)), closed: Some(code) }
    }
}

/// Reads to the end.
async fn ending(peer: &mut Peer) -> Ending {
    let mut told = None;
    loop {
        match peer.next().await {
            Seen::Envelope(envelope) => match envelope.frame {
                Frame::Close(close) => told = Some(close.code),
                Frame::Reject(reject) => told = Some(reject.close),
                _ => {}
            },
            Seen::Closed(code) => return Ending { told, closed: Some(code) },
            Seen::Lost => return Ending { told, closed: None },
        }
    }
}

/// Reads to what answers a message.
async fn answer(peer: &mut Peer, re: MessageId) -> Frame {
    loop {
        match peer.next().await {
            Seen::Envelope(envelope) if envelope.head.re == Some(re) => return envelope.frame,
            Seen::Envelope(_) => {}
            end => panic!("no answer: {end:?}"),
        }
    }
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics outside of the tests' own files.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_ours = info.location().is_some_and(|at| at.file().contains("tests/"));
            if !is_ours {
                PANICS.fetch_add(1, Ordering::Relaxed);
            }
            report(info);
        }));
    });
}
