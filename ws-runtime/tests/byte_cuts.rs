//! A connection is lost after any byte, in either direction, and the session goes on: each call is
//! answered once, each event is there once and in order, each handler ran once.
//!
//! MessagePack ends after each byte and JSON after every third; resets come after every seventh.
#![cfg(all(feature = "client", feature = "server"))]

use crate::ledger::{Books, Count, Enter, Entry, Ledger, Room};
use futures_util::{future::join_all, task::AtomicWaker};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use ws_proto::{Credentials, Format, Limits};
use ws_runtime::{
    Client, Server,
    client::Backoff,
    transport::{Transport, tungstenite::WebSocket},
};

const MINUTE: Duration = Duration::from_secs(60);

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum How {
    /// The receiver reads the end of the stream; what it writes still arrives.
    Fin,
    /// Both ends fail to read and to write.
    Reset,
}

/// Whose input is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Toward {
    Server,
    Client,
}

/// The bytes after which each connection is cut, the first connection first. Those after them live.
#[derive(Clone, Debug)]
struct Plan {
    toward: Toward,
    how: How,
    after: Vec<usize>,
}

/// The cut of one connection.
struct Cut {
    how: How,
    left: AtomicUsize,
    happened: AtomicBool,
    wakers: [AtomicWaker; 2],
}

impl Cut {
    fn after(bytes: usize, how: How) -> Arc<Self> {
        let (left, happened) = (AtomicUsize::new(bytes), AtomicBool::new(bytes == 0));
        Arc::new(Self { how, left, happened, wakers: Default::default() })
    }

    fn is_cut(&self) -> bool {
        self.happened.load(Ordering::SeqCst)
    }

    fn is_reset(&self) -> bool {
        self.is_cut() && matches!(self.how, How::Reset)
    }

    fn received(&self, bytes: usize) {
        if self.left.fetch_sub(bytes, Ordering::SeqCst) == bytes {
            self.happened.store(true, Ordering::SeqCst);
            self.wakers.iter().for_each(AtomicWaker::wake);
        }
    }
}

/// One end of a pipe that is cut.
struct End {
    inner: DuplexStream,
    cut: Arc<Cut>,
    /// Whether the cut is in what this end reads.
    is_counted: bool,
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.cut.wakers[usize::from(self.is_counted)].register(cx.waker());
        if self.cut.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if !self.is_counted {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let room = buf.remaining().min(self.cut.left.load(Ordering::SeqCst));
        if self.cut.is_cut() || room == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
        let bytes = part.filled().len();
        buf.advance(bytes);
        self.cut.received(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.cut.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Makes the connections of one run, and cuts them.
#[derive(Clone)]
struct Cable {
    server: Server<Ledger>,
    cuts: Arc<Vec<Arc<Cut>>>,
    toward: Toward,
    made: Arc<AtomicUsize>,
}

impl Cable {
    fn new(server: Server<Ledger>, plan: &Plan) -> Self {
        let cuts = plan.after.iter().map(|bytes| Cut::after(*bytes, plan.how)).collect();
        Self { server, cuts: Arc::new(cuts), toward: plan.toward, made: Arc::default() }
    }

    async fn connect(self, format: Format) -> Box<dyn Transport> {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let never = || Cut::after(usize::MAX, How::Fin);
        let cut = self.cuts.get(number).map_or_else(never, Arc::clone);
        let (ours, theirs) = duplex(4096);
        let limits = Limits::default();
        let end = |inner, side| {
            let (cut, is_counted) = (Arc::clone(&cut), self.toward == side);
            End { inner, cut, is_counted }
        };
        let (ours, theirs) = (end(ours, Toward::Client), end(theirs, Toward::Server));
        let theirs = WebSocket::server(theirs, format, &limits).await;
        let server = self.server.clone();
        tokio::spawn(async move {
            server.serve(Box::new(theirs), Credentials::default()).await;
        });
        Box::new(WebSocket::client(ours, format, &limits).await)
    }

    fn client(&self, format: Format) -> Client<Ledger> {
        let mut quick = Backoff::default();
        quick.base = Duration::from_millis(10);
        quick.max = Duration::from_millis(20);
        let cable = self.clone();
        Client::builder("ws://pipe")
            .token(|| async { "ann".to_owned() })
            .format(format)
            .reconnect(quick)
            .connector(move |format| {
                let cable = cable.clone();
                Box::pin(async move { Ok(cable.connect(format).await) })
            })
            .connect_lazy()
    }
}

/// Runs the scenario with these cuts; true when the last of them happened.
fn run(format: Format, plan: &Plan) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let books = Books::default();
        let server = Server::new(books.clone());
        let cable = Cable::new(server.clone(), plan);
        let client = cable.client(format);
        let scenario = scenario(&server, &client, &books, plan);
        let ended = tokio::time::timeout(10 * MINUTE, scenario).await;
        assert!(ended.is_ok(), "something is never said: {format:?}, {plan:?}");
        cable.cuts.last().is_some_and(|cut| cut.is_cut())
    })
}

async fn scenario(server: &Server<Ledger>, client: &Client<Ledger>, books: &Books, plan: &Plan) {
    let hall = || Room { name: "hall".to_owned() };
    let enter = |number| {
        let request = Enter { room: "hall".to_owned(), number };
        client.call(request).timeout(MINUTE).into_future()
    };
    assert_eq!(enter(1).await, Ok(1), "{plan:?}");
    let mut heard = client.subscribe(hall()).await.expect("the room is open");
    let (answers, counted, position) = tokio::join!(
        join_all((2..=4).map(enter)),
        async {
            let mut items = client.stream(Count { to: 3 }).timeout(MINUTE);
            let mut counted = Vec::new();
            while let Some(item) = items.next().await {
                counted.push(item);
            }
            (counted, items.finish().await)
        },
        client.publish(hall(), &Entry::Entered { number: 5 }),
    );
    assert_eq!(answers, [Ok(2), Ok(3), Ok(4)], "{plan:?}");
    assert_eq!(counted, (vec![Ok(1), Ok(2), Ok(3)], Ok(3)), "{plan:?}");
    books.published("hall", position.expect("the room takes events"), 5);
    server.publish(hall(), &Entry::Last).await.unwrap();
    let mut numbers = vec![1];
    loop {
        match heard.next().await {
            Some(Ok(Entry::Entered { number })) => numbers.push(number),
            Some(Ok(Entry::Last)) => break,
            other => panic!("{other:?}: {plan:?}"),
        }
    }
    assert_eq!(numbers, books.numbers("hall"), "{plan:?}");
    for number in 1..=4 {
        assert_eq!(books.executions(number), 1, "{number}: {plan:?}");
    }
    client.clone().close().await;
}

/// Cuts after every `stride`th byte, until the scenario ends before the cut.
fn each_byte(format: Format, toward: Toward, how: How, stride: usize) {
    for bytes in (0..).step_by(stride) {
        if !run(format, &Plan { toward, how, after: vec![bytes] }) {
            assert!(bytes > 500, "the scenario has more than {bytes} bytes");
            return;
        }
    }
}

#[test]
fn two_lost_welcomes_in_a_row_lose_no_session() {
    for format in Format::ALL {
        for how in [How::Fin, How::Reset] {
            let after = vec![700, 10, 10];
            assert!(run(format, &Plan { toward: Toward::Client, how, after }));
        }
    }
}

#[test]
fn json_survives_a_cut_after_every_third_byte_toward_the_server() {
    each_byte(Format::Json, Toward::Server, How::Fin, 3);
    each_byte(Format::Json, Toward::Server, How::Reset, 7);
}

#[test]
fn json_survives_a_cut_after_every_third_byte_toward_the_client() {
    each_byte(Format::Json, Toward::Client, How::Fin, 3);
    each_byte(Format::Json, Toward::Client, How::Reset, 7);
}

#[test]
fn messagepack_survives_a_cut_after_each_byte_toward_the_server() {
    each_byte(Format::MessagePack, Toward::Server, How::Fin, 1);
    each_byte(Format::MessagePack, Toward::Server, How::Reset, 7);
}

#[test]
fn messagepack_survives_a_cut_after_each_byte_toward_the_client() {
    each_byte(Format::MessagePack, Toward::Client, How::Fin, 1);
    each_byte(Format::MessagePack, Toward::Client, How::Reset, 7);
}
