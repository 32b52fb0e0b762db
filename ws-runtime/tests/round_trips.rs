//! What a client has to say before its session goes on: the upgrade and the hello, and nothing
//! else is waited for. Two round trips, over real sockets, counted in turns on the wire.

use crate::support::{App, Hall, HallEvent, Lab};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    time::timeout,
};
use ws_proto::Format;
use ws_runtime::{Client, ConnState, Server, client::Backoff};

/// Longer than any machine needs; only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

/// A proxy that carries the first connection until it is told to cut it, and of the second nothing
/// from the client but two turns: the request, and one frame.
struct Toll {
    address: SocketAddr,
    cut: Arc<Notify>,
    /// What the client said in each of its turns.
    turns: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Toll {
    async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = Arc::<Notify>::default();
        let (said, turns) = mpsc::unbounded_channel();
        let when = Arc::clone(&cut);
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(upstream).await.unwrap();
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                () = when.notified() => {}
            }
            drop((client, server));
            let (client, _) = listener.accept().await.unwrap();
            two_turns(client, TcpStream::connect(upstream).await.unwrap(), said).await;
        });
        Self { address, cut, turns }
    }
}

/// Carries everything toward the client, and toward the server one request and one frame.
async fn two_turns(
    mut client: TcpStream,
    mut server: TcpStream,
    said: mpsc::UnboundedSender<Vec<u8>>,
) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(from_client.read_u8().await.unwrap());
        }
        to_server.write_all(&request).await.unwrap();
        said.send(request).unwrap();
        let mut frame = vec![from_client.read_u8().await.unwrap()];
        frame.push(from_client.read_u8().await.unwrap());
        let extended = if frame[1] == 0xfe { 2 } else { 0 };
        for _ in 0..extended {
            frame.push(from_client.read_u8().await.unwrap());
        }
        let length = match extended {
            0 => usize::from(frame[1] & 0x7f),
            _ => usize::from(u16::from_be_bytes([frame[2], frame[3]])),
        };
        let mut rest = vec![0; 4 + length];
        from_client.read_exact(&mut rest).await.unwrap();
        frame.extend(rest);
        to_server.write_all(&frame).await.unwrap();
        said.send(frame).unwrap();
        // The rest is held back. What the server says must not depend on it.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = up => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

fn hall() -> Hall {
    Hall { name: "x".into() }
}

async fn goes_on_after_two_turns(format: Format) {
    let server = Server::<Lab>::new(App::default());
    let upstream = server.spawn("127.0.0.1:0").await.unwrap();
    let mut toll = Toll::start(upstream).await;
    let mut quick = Backoff::default();
    quick.base = Duration::from_millis(1);
    let client = Client::<Lab>::builder(format!("ws://{}/", toll.address))
        .token(|| async { "ann".to_owned() })
        .format(format)
        .reconnect(quick)
        .connect()
        .await
        .unwrap();
    let mut heard = client.subscribe(hall()).await.unwrap();
    let mut state = client.state();
    toll.cut.notify_one();
    state.wait_for(|state| !matches!(state, ConnState::Ready { .. })).await.unwrap();
    let texts: Vec<_> = (0..8).map(|n| n.to_string()).collect();
    for text in &texts {
        server.publish(hall(), &HallEvent::Said { text: text.clone() }).await.unwrap();
    }
    // All that the log has kept, though nothing of it can be acknowledged.
    for text in texts {
        let event = timeout(HANG, heard.next()).await.expect("a third turn is waited for");
        assert_eq!(event, Some(Ok(HallEvent::Said { text })), "{format:?}");
    }
    let request = String::from_utf8(toll.turns.recv().await.unwrap()).unwrap();
    assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
    let hello = toll.turns.recv().await.unwrap();
    assert_eq!(hello[0] & 0x80, 0x80, "one frame is one hello");
    assert!(toll.turns.try_recv().is_err());
}

#[tokio::test]
async fn replayed_events_come_after_the_upgrade_and_the_hello() {
    for format in Format::ALL {
        goes_on_after_two_turns(format).await;
    }
}
