//! A client that never reads the welcome of its resumed session, several times in a row: it goes on
//! with the same session as soon as a welcome arrives, and has lost nothing.

use crate::scissors::Scissors;
use crate::support::{App, Hall, HallEvent, Lab, Wait};
use std::{
    future::IntoFuture,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};
use ws_proto::{CloseCode, Format};
use ws_runtime::{
    Client, Server,
    client::Backoff,
    transport::{Lost, Received, Transport},
};

/// What becomes of the server's words on a connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Heard,
    /// The connection is cut at the first of them.
    Cut,
    /// None of them arrives, and all that the client says does.
    Silent,
}

struct Unheard {
    inner: Box<dyn Transport>,
    fate: Fate,
    scissors: Scissors,
}

impl Transport for Unheard {
    fn format(&self) -> Format {
        self.inner.format()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        match self.fate {
            Fate::Heard => self.inner.poll_recv(cx),
            Fate::Silent => Poll::Pending,
            Fate::Cut => {
                ready!(self.inner.poll_recv(cx));
                self.scissors.cut();
                self.inner.poll_recv(cx)
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.inner.poll_ready(cx)
    }

    fn start_send(&mut self, message: &[u8]) -> Result<(), Lost> {
        self.inner.start_send(message)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.inner.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, close: Option<(CloseCode, &str)>) -> Poll<()> {
        self.inner.poll_close(cx, close)
    }

    fn unwritten(&self) -> usize {
        self.inner.unwritten()
    }
}

/// A client whose connections have these fates in turn. Each that comes after them is heard.
async fn client(
    server: &Server<Lab>,
    scissors: &Scissors,
    fates: Vec<Fate>,
    format: Format,
) -> Client<Lab> {
    let mut quick = Backoff::default();
    quick.base = Duration::from_millis(10);
    quick.max = Duration::from_millis(20);
    let (reach, made) = (scissors.connector(server), AtomicUsize::default());
    let scissors = scissors.clone();
    Client::builder("ws://memory")
        .token(|| async { "ann".to_owned() })
        .format(format)
        .reconnect(quick)
        .connector(move |format| {
            let fate = fates.get(made.fetch_add(1, Ordering::Relaxed)).copied();
            let (fate, reached) = (fate.unwrap_or(Fate::Heard), reach(format));
            let scissors = scissors.clone();
            Box::pin(async move {
                let inner = reached.await?;
                let unheard: Box<dyn Transport> = Box::new(Unheard { inner, fate, scissors });
                Ok(unheard)
            })
        })
        .connect()
        .await
        .expect("the server takes ann in")
}

/// A connection is lost, then these are made, and then one that lives.
async fn goes_on_after(unheard: &[Fate], format: Format) {
    let (app, scissors) = (App::default(), Scissors::default());
    let server = Server::<Lab>::new(app.clone());
    let hall = || Hall { name: "x".into() };
    let said = |n: usize| HallEvent::Said { text: n.to_string() };
    let fates = [&[Fate::Heard], unheard].concat();
    let client = client(&server, &scissors, fates, format).await;
    let mut heard = client.subscribe(hall()).await.unwrap();
    let wait = client.call(Wait {}).timeout(Duration::from_secs(600));
    let waiting = tokio::spawn(wait.into_future());
    app.0.waiting.notified().await;
    scissors.cut();
    // As many as the log keeps.
    for n in 0..8 {
        server.publish(hall(), &said(n)).await.unwrap();
    }
    for n in 0..8 {
        assert_eq!(heard.next().await, Some(Ok(said(n))), "{format:?}, {unheard:?}");
    }
    assert!(!waiting.is_finished(), "the call goes on with its session: {format:?}, {unheard:?}");
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_any_number_of_connections_that_are_cut_at_the_welcome() {
    for format in Format::ALL {
        for count in 1..=8 {
            goes_on_after(&vec![Fate::Cut; count], format).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_any_number_of_connections_whose_welcome_never_arrives() {
    for format in Format::ALL {
        for count in 1..=8 {
            goes_on_after(&vec![Fate::Silent; count], format).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_lost_welcomes_of_both_kinds_in_any_order() {
    for kinds in 0..32_u32 {
        let fate = |n: u32| if (kinds >> n).is_multiple_of(2) { Fate::Cut } else { Fate::Silent };
        goes_on_after(&(0..5).map(fate).collect::<Vec<_>>(), Format::Json).await;
    }
}
