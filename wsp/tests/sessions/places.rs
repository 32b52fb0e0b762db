//! The real chat on a port of its own, behind a relay that can lose its connections.

use chat::protocol::Chat;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use ws_runtime::{Server, ServerConfig};

pub(crate) const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/chat.json");

/// A server, and where it is.
pub(crate) async fn chat() -> (Server<Chat>, SocketAddr) {
    let server = chat::server(ServerConfig::default(), Duration::from_secs(60)).expect("a server");
    let address = server.spawn("127.0.0.1:0").await.expect("a free port");
    (server, address)
}

/// Passes bytes on to a server.
pub(crate) struct Relay {
    pub(crate) url: String,
    target: Arc<Mutex<SocketAddr>>,
    cut: watch::Sender<u32>,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("ws://{}/", listener.local_addr().expect("an address"));
        let target = Arc::new(Mutex::new(target));
        let (cut, cuts) = watch::channel(0);
        let to = Arc::clone(&target);
        tokio::spawn(async move {
            while let Ok((mut down, _)) = listener.accept().await {
                let (to, mut cuts) = (*to.lock().expect("not poisoned"), cuts.clone());
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut up) = TcpStream::connect(to).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut down, &mut up) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { url, target, cut }
    }

    /// Loses every connection.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// From here on another server is behind it; the connections to the first are lost.
    pub(crate) fn turn_to(&self, target: SocketAddr) {
        *self.target.lock().expect("not poisoned") = target;
        self.cut();
    }
}
