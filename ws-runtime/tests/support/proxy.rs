//! A TCP proxy that loses connections, at any byte, in every way in which networks do.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::sleep,
};

/// How long a connection stands still, in milliseconds, at most.
const STALL_MS: u64 = 10;

/// A proxy in a task of its own; each connection through it has a fate that its number decides.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    is_calm: AtomicBool,
    cuts: watch::Sender<u64>,
}

/// What becomes of a connection.
#[derive(Clone, Debug)]
struct Fate {
    how: How,
    /// Bytes that pass toward the server and toward the client; whichever ends first is the cut.
    up: u64,
    down: u64,
    /// Bytes that pass at once.
    slice: usize,
    stall: Duration,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// Both ends are reset.
    Reset,
    /// Both ends read the end of the stream.
    Fin,
    /// Nothing moves for a while, and then both ends are reset.
    Stall,
    /// The client is reset at once and the server only later: it looks alive when the client
    /// is back already.
    Half,
}

/// A connection has used up its bytes.
struct Spent;

impl Proxy {
    /// A proxy before the server at `upstream`.
    pub(crate) async fn start(upstream: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_calm, cuts) = (AtomicBool::new(false), watch::Sender::new(0));
        let shared = Arc::new(Shared { upstream, is_calm, cuts });
        tokio::spawn(accept(listener, Arc::clone(&shared), fastrand::Rng::with_seed(seed)));
        Self { address, shared }
    }

    /// Where to connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until so many connections were cut; those that are made afterwards live.
    pub(crate) async fn cut(&self, count: u64) {
        let mut cuts = self.shared.cuts.subscribe();
        // The sender lives here: waiting cannot fail.
        let _ = cuts.wait_for(|cuts| *cuts >= count).await;
        self.shared.is_calm.store(true, Ordering::SeqCst);
    }

    /// How many connections were cut.
    pub(crate) fn cuts(&self) -> u64 {
        *self.shared.cuts.borrow()
    }

    /// Whether connections live from now on.
    pub(crate) fn is_calm(&self) -> bool {
        self.shared.is_calm.load(Ordering::SeqCst)
    }
}

impl Fate {
    /// A long and peaceful one.
    fn peace() -> Self {
        Self { how: How::Fin, up: u64::MAX, down: u64::MAX, slice: 4096, stall: Duration::ZERO }
    }

    fn draw(random: &mut fastrand::Rng) -> Self {
        let [up, down] = [(); 2].map(|()| {
            let most = 1 << random.u32(6..=15);
            random.u64(1..=most)
        });
        let how = [How::Reset, How::Fin, How::Stall, How::Half][random.usize(..4)];
        let slice = if random.u8(..4) == 0 { random.usize(1..=16) } else { 4096 };
        let stall = Duration::from_millis(random.u64(..=STALL_MS));
        Self { how, up, down, slice, stall }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut random: fastrand::Rng) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let is_calm = shared.is_calm.load(Ordering::SeqCst);
        let fate = if is_calm { Fate::peace() } else { Fate::draw(&mut random) };
        tokio::spawn(carry(client, Arc::clone(&shared), fate));
    }
}

async fn carry(mut client: TcpStream, shared: Arc<Shared>, fate: Fate) {
    let Ok(mut server) = TcpStream::connect(shared.upstream).await else { return };
    for stream in [&client, &server] {
        // A client that has left already is seen when it is read.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let up = copy(from_client, to_server, fate.up, fate.slice);
    let down = copy(from_server, to_client, fate.down, fate.slice);
    if tokio::try_join!(up, down).is_ok() {
        return;
    }
    shared.cuts.send_modify(|cuts| *cuts += 1);
    match fate.how {
        How::Reset => {}
        How::Fin => {
            // A stream that is gone is at its end too.
            let _ = tokio::join!(client.shutdown(), server.shutdown());
            return;
        }
        How::Stall => sleep(fate.stall).await,
        How::Half => {
            reset(client);
            sleep(fate.stall).await;
            return reset(server);
        }
    }
    reset(client);
    reset(server);
}

/// Carries bytes until the end of the stream, or until as many as may have passed.
async fn copy(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut left: u64,
    slice: usize,
) -> Result<(), Spent> {
    let mut buffer = [0; 4096];
    loop {
        let room = slice.min(usize::try_from(left).unwrap_or(slice));
        if room == 0 {
            return Err(Spent);
        }
        match from.read(&mut buffer[..room]).await {
            Ok(0) | Err(_) => break,
            Ok(bytes) => {
                left -= bytes as u64;
                if to.write_all(&buffer[..bytes]).await.is_err() {
                    break;
                }
            }
        }
    }
    // The other direction ends by itself, or has ended.
    let _ = to.shutdown().await;
    Ok(())
}

fn reset(stream: TcpStream) {
    // A stream that is gone needs no reset.
    let _ = stream.set_zero_linger();
    drop(stream);
}
