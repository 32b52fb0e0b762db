//! A network that comes and goes faster than a connection can be made: when it has calmed down
//! everybody is back, and when they have left neither sockets nor tasks remain.
#![cfg(all(feature = "client", feature = "server", target_os = "linux"))]

mod support;

use futures_util::future::join_all;
use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{App, Echo, Hall, HallEvent, Lab};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    time::{sleep, timeout},
};
use ws_runtime::{Client, Server, ServerConfig, client::Backoff};

const CLIENTS: usize = 20;
/// Connections that come to nothing.
const FLAPS: usize = 600;
/// Longer than any machine needs; only a hang reaches it.
const HANG: Duration = Duration::from_secs(120);

/// What is held, as the system and the runtime count it.
#[derive(Clone, Copy, Debug)]
struct Held {
    files: usize,
    tasks: usize,
}

impl Held {
    fn now() -> Self {
        let files = fs::read_dir("/proc/self/fd").expect("Linux lists open files").count();
        Self { files, tasks: Handle::current().metrics().num_alive_tasks() }
    }

    /// Waits until no more than this is held.
    async fn is_back(self) {
        let back = async {
            while Self::now().files > self.files || Self::now().tasks > self.tasks {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = timeout(HANG, back).await;
        assert!(waited.is_ok(), "{:?} is held, and {self:?} was before", Self::now());
    }
}

/// A network before the server at `upstream`; counts the connections that it is asked for.
async fn network(upstream: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let number = counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                // However it ends, the client notices.
                let _ = carry(client, upstream, number).await;
            });
        }
    });
    (address, asked)
}

async fn carry(mut client: TcpStream, upstream: SocketAddr, number: usize) -> std::io::Result<()> {
    if number < FLAPS {
        return flap(client, upstream, number).await;
    }
    let mut server = TcpStream::connect(upstream).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Loses a connection before it has become one, each time at another moment.
async fn flap(mut client: TcpStream, upstream: SocketAddr, number: usize) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    match number % 6 {
        // At once.
        0 => client.set_zero_linger(),
        // In the request.
        1 => client.read(&mut bytes[..10]).await.map(drop),
        // Nothing moves, until the client has had enough of it.
        2 => {
            while client.read(&mut bytes).await? > 0 {}
            Ok(())
        }
        // The server is asked, and its answer is lost.
        3 => {
            let mut server = TcpStream::connect(upstream).await?;
            let read = client.read(&mut bytes).await?;
            server.write_all(&bytes[..read]).await?;
            server.readable().await?;
            server.set_zero_linger()
        }
        // The client has an answer, in part.
        4 => {
            let mut server = TcpStream::connect(upstream).await?;
            let read = client.read(&mut bytes).await?;
            server.write_all(&bytes[..read]).await?;
            let read = server.read(&mut bytes).await?;
            client.write_all(&bytes[..read / 2]).await
        }
        // The upgrade is done, and the hello is answered to nobody.
        _ => {
            let mut server = TcpStream::connect(upstream).await?;
            let read = client.read(&mut bytes).await?;
            server.write_all(&bytes[..read]).await?;
            let read = server.read(&mut bytes).await?;
            client.write_all(&bytes[..read]).await?;
            let read = client.read(&mut bytes).await?;
            server.write_all(&bytes[..read]).await?;
            server.read(&mut bytes).await.map(drop)
        }
    }
}

fn client(address: SocketAddr) -> Client<Lab> {
    let mut quick = Backoff::default();
    quick.base = Duration::from_millis(1);
    quick.max = Duration::from_millis(5);
    quick.max_attempts = u32::MAX;
    Client::builder(format!("ws://{address}/"))
        .token(|| async { "ann".to_owned() })
        .attempt_timeout(Duration::from_millis(100))
        .reconnect(quick)
        .connect_lazy()
}

/// Calls and listens until both work, and leaves.
async fn visit(server: &Server<Lab>, address: SocketAddr, number: usize) {
    let client = client(address);
    let hall = || Hall { name: number.to_string() };
    let mut heard = client.subscribe(hall()).await.expect("the hall is open");
    let text = number.to_string();
    let call = client.call(Echo { text: text.clone() }).timeout(HANG);
    assert_eq!(call.await, Ok(text.clone()));
    let said = HallEvent::Said { text };
    server.publish(hall(), &said).await.expect("the hall takes events");
    assert_eq!(heard.next().await, Some(Ok(said)));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_flaps_leaves_no_socket_and_no_task_behind() {
    let config = ServerConfig {
        // Sessions whose welcome was lost are kept, and for no longer than the test takes.
        session_ttl: Duration::from_millis(100),
        handshake_timeout: Duration::from_secs(1),
        ..ServerConfig::default()
    };
    let server = Server::<Lab>::with_config(App::default(), config).unwrap();
    let upstream = server.spawn("127.0.0.1:0").await.unwrap();
    let (address, asked) = network(upstream).await;
    // What is made once is not what is measured.
    visit(&server, upstream, 0).await;
    // The server and the network listen.
    Held { files: usize::MAX, tasks: 2 }.is_back().await;
    let before = Held::now();
    let visits = (1..=CLIENTS).map(|number| visit(&server, address, number));
    timeout(HANG, join_all(visits)).await.expect("somebody never came back");
    assert!(asked.load(Ordering::SeqCst) >= FLAPS + CLIENTS);
    before.is_back().await;
    assert!(server.connections().is_empty());
}
