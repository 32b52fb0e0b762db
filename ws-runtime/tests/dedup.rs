//! Requests over a session that was lost: what may run twice is sent again, what was kept is not
//! worked on again, and for the rest the caller is told that nobody knows.

use crate::scissors::Scissors;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Credentials, Fault, FaultCode, Format, Never,
    NoChannels, Protocol, Requests,
};
use ws_runtime::{CallError, Client, Outcome, Server, ServerConfig, client::Backoff, testing};

#[derive(Protocol)]
#[protocol(name = "bank", version = 1, requests = BankRequest)]
struct Bank;

#[derive(Debug, Requests)]
enum BankRequest {
    /// Answers with how often money was moved.
    #[rpc(reply = u32, dedup)]
    Pay { amount: u32 },
    /// Answers with how often anybody looked.
    #[rpc(reply = u32, idempotent)]
    Look,
    #[rpc(reply = u32)]
    Gamble,
}

/// Every handler counts, says that it runs, and waits at the gate.
#[derive(Clone)]
struct App {
    ran: Arc<AtomicU32>,
    running: Arc<Notify>,
    gate: Arc<Semaphore>,
}

impl App {
    fn new() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        Self { ran: Arc::default(), running: Arc::default(), gate }
    }

    async fn work(&self) -> u32 {
        let ran = self.ran.fetch_add(1, Ordering::SeqCst) + 1;
        self.running.notify_one();
        let _open = self.gate.acquire().await.expect("the gate stays");
        ran
    }

    fn open(&self) {
        self.gate.add_permits(100);
    }
}

impl Authenticate for App {
    type Principal = String;

    async fn authenticate(&self, credentials: &Credentials) -> Result<String, Fault> {
        let token = credentials.token.as_ref().map(ws_proto::Secret::expose);
        token.map(str::to_owned).ok_or_else(|| Fault::unauthorized("who are you?"))
    }
}

impl Authorize<NoChannels> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, String>,
        access: Access<'_, NoChannels>,
    ) -> Result<(), Fault> {
        match access {
            Access::Subscribe(channel) | Access::Publish(channel) => match *channel {},
        }
    }
}

impl BankRequestHandler for App {
    async fn pay(&self, _: &Caller<'_, String>, _: Pay) -> Result<u32, Never> {
        Ok(self.work().await)
    }

    async fn look(&self, _: &Caller<'_, String>, _: Look) -> Result<u32, Never> {
        Ok(self.work().await)
    }

    async fn gamble(&self, _: &Caller<'_, String>, _: Gamble) -> Result<u32, Never> {
        Ok(self.work().await)
    }
}

/// A server that keeps no session, so that every lost connection loses one.
fn bank(app: &App) -> Server<Bank> {
    let config = ServerConfig { session_ttl: Duration::ZERO, ..ServerConfig::default() };
    Server::with_config(app.clone(), config).expect("the figures fit together")
}

async fn connect(server: &Server<Bank>, scissors: &Scissors, format: Format) -> Client<Bank> {
    let mut quick = Backoff::default();
    quick.base = Duration::from_millis(10);
    Client::builder("ws://memory")
        .token(|| async { "ann".to_owned() })
        .format(format)
        .reconnect(quick)
        .connector(scissors.connector(server))
        .connect()
        .await
        .expect("the server takes ann in")
}

#[tokio::test(start_paused = true)]
async fn a_kept_request_runs_once_and_its_caller_never_knows_of_the_loss() {
    for format in Format::ALL {
        let (app, scissors) = (App::new(), Scissors::default());
        let client = connect(&bank(&app), &scissors, format).await;
        let call = tokio::spawn(client.call(Pay { amount: 5 }).into_future());
        app.running.notified().await;
        scissors.cut();
        // The next call of the new session is answered behind the one that was sent again.
        app.open();
        assert_eq!(client.call(Look {}).await, Ok(2));
        assert_eq!(call.await.unwrap(), Ok(1));
        assert_eq!(app.ran.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_request_is_sent_again() {
    let (app, scissors) = (App::new(), Scissors::default());
    let client = connect(&bank(&app), &scissors, Format::Json).await;
    let call = tokio::spawn(client.call(Look {}).into_future());
    app.running.notified().await;
    scissors.cut();
    app.running.notified().await;
    app.open();
    assert_eq!(call.await.unwrap(), Ok(2));
}

#[tokio::test(start_paused = true)]
async fn of_any_other_request_nobody_knows_and_it_ran_once() {
    let (app, scissors) = (App::new(), Scissors::default());
    let client = connect(&bank(&app), &scissors, Format::Json).await;
    let call = tokio::spawn(client.call(Gamble {}).into_future());
    app.running.notified().await;
    scissors.cut();
    assert_eq!(call.await.unwrap(), Err(CallError::Disconnected(Outcome::Unknown)));
    app.open();
    assert_eq!(client.call(Gamble {}).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_left_goes_to_the_new_session() {
    let (app, scissors) = (App::new(), Scissors::default());
    let client = connect(&bank(&app), &scissors, Format::Json).await;
    app.open();
    scissors.cut();
    assert_eq!(client.call(Gamble {}).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_closed_leaves_no_call_pending_and_claims_nothing() {
    let (app, scissors) = (App::new(), Scissors::default());
    let client = connect(&bank(&app), &scissors, Format::Json).await;
    let call = tokio::spawn(client.call(Pay { amount: 5 }).into_future());
    app.running.notified().await;
    client.close().await;
    let error = call.await.unwrap().expect_err("nobody answers");
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn one_key_is_one_execution_for_one_principal() {
    let app = App::new();
    let server = bank(&app);
    app.open();
    let ann = testing::connect(&server, Some("ann"), Format::Json).await.unwrap();
    let again = testing::connect(&server, Some("ann"), Format::MessagePack).await.unwrap();
    let bob = testing::connect(&server, Some("bob"), Format::Json).await.unwrap();
    assert_eq!(ann.call(Pay { amount: 5 }).key("k").await, Ok(1));
    assert_eq!(again.call(Pay { amount: 5 }).key("k").await, Ok(1));
    assert_eq!(bob.call(Pay { amount: 5 }).key("k").await, Ok(2));
    let Err(CallError::Fault(fault, outcome)) = ann.call(Pay { amount: 6 }).key("k").await else {
        panic!("another payment under the same key")
    };
    assert_eq!((fault.code, outcome), (FaultCode::Invalid, Outcome::NotProcessed));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_outlives_the_kept_answer_is_refused() {
    let app = App::new();
    let server = bank(&app);
    let client = testing::connect(&server, Some("ann"), Format::Json).await.unwrap();
    let hour = Duration::from_secs(3600);
    let Err(CallError::Fault(fault, _)) = client.call(Pay { amount: 5 }).timeout(hour).await else {
        panic!("kept for an hour")
    };
    assert_eq!(fault.code, FaultCode::Invalid);
    assert_eq!(fault.details["limit_ms"], "120000");
    assert_eq!(app.ran.load(Ordering::SeqCst), 0);
}

#[test]
fn a_window_that_is_too_short_is_refused_with_its_figures() {
    let config = ServerConfig { dedup_window: Duration::from_secs(239), ..ServerConfig::default() };
    let error = Server::<Bank>::with_config(App::new(), config).expect_err("one second too short");
    let text = error.to_string();
    for figure in ["dedup_window is 239s", "session_ttl (120s)", "longest_ttl (120s)"] {
        assert!(text.contains(figure), "{text}");
    }
}
