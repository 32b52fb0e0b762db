//! A small protocol whose server asks its clients, and the applications of both sides.

use crate::scissors::Scissors;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Credentials, Fault, Format, Never, NoChannels,
    Protocol, Requests, Serve,
};
use ws_runtime::{
    Client, Server,
    client::{Backoff, ClientBuilder},
    server::ClientHandle,
};

#[derive(Protocol)]
#[protocol(
    name = "asking",
    version = 2,
    min_version = 1,
    requests = HouseRequest,
    callbacks = GuestRequest
)]
pub(crate) struct Asking;

/// The same, as it was once.
#[derive(Protocol)]
#[protocol(name = "asking", version = 1, requests = HouseRequest)]
pub(crate) struct AskingOnce;

/// What clients ask.
#[derive(Debug, Requests)]
pub(crate) enum HouseRequest {
    /// Deletes, if the asker confirms.
    #[rpc(reply = bool)]
    Delete { what: String },
    /// Nothing but a way there and back.
    #[rpc(reply = ())]
    Greet,
}

/// What the server asks.
#[derive(Debug, Requests)]
pub(crate) enum GuestRequest {
    /// Asks the person.
    #[rpc(reply = bool, error = Busy)]
    Confirm { text: String },
    /// Fails the first time.
    #[rpc(reply = u32, idempotent)]
    Flaky,
    /// Waits until it is dropped.
    #[rpc(reply = (), cancel)]
    Wait,
    /// Waits, and notices that nobody waits for it.
    #[rpc(reply = ())]
    WaitUnlessCancelled,
    /// Waits until the test opens the gate, and says how often it was asked.
    #[rpc(reply = u32)]
    Gated,
    /// Asks the server back.
    #[rpc(reply = bool)]
    AskBack,
    #[rpc(reply = (), since = 2)]
    Newer,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Busy {
    pub why: String,
}

pub(crate) struct House;

impl Authenticate for House {
    type Principal = String;

    async fn authenticate(&self, credentials: &Credentials) -> Result<String, Fault> {
        let token = credentials.token.as_ref().map(ws_proto::Secret::expose);
        token.map(str::to_owned).ok_or_else(|| Fault::unauthorized("who are you?"))
    }
}

impl Authorize<NoChannels> for House {
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

impl HouseRequestHandler for House {
    async fn delete(&self, caller: &Caller<'_, String>, req: Delete) -> Result<bool, Never> {
        let confirm = Confirm { text: format!("delete {}?", req.what) };
        Ok(ClientHandle::<Asking>::of(caller).call(confirm).await.unwrap_or(false))
    }

    async fn greet(&self, _: &Caller<'_, String>, _: Greet) -> Result<(), Never> {
        Ok(())
    }
}

/// What the tests look at from outside.
#[derive(Default)]
pub(crate) struct Signs {
    pub waiting: Notify,
    pub cancelled: Notify,
    pub asked: AtomicU32,
    pub client: std::sync::OnceLock<Client<Asking>>,
}

/// The application of a client.
#[derive(Clone)]
pub(crate) struct Guest {
    pub signs: Arc<Signs>,
    pub gate: Arc<Semaphore>,
}

impl Guest {
    pub(crate) fn new() -> Self {
        Self { signs: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }
}

impl Serve for Guest {
    type Principal = ();
}

impl GuestRequestHandler for Guest {
    async fn confirm(&self, _: &Caller<'_, ()>, req: Confirm) -> Result<bool, Busy> {
        match req.text.as_str() {
            "busy" => Err(Busy { why: "not now".into() }),
            text => Ok(!text.contains("everything")),
        }
    }

    async fn flaky(&self, _: &Caller<'_, ()>, _: Flaky) -> Result<u32, Never> {
        let asked = self.signs.asked.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(asked > 1, "the handler fails the first time");
        Ok(asked)
    }

    async fn wait(&self, _: &Caller<'_, ()>, _: Wait) -> Result<(), Never> {
        struct Dropped(Arc<Signs>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.cancelled.notify_one();
            }
        }
        let _dropped = Dropped(Arc::clone(&self.signs));
        self.signs.waiting.notify_one();
        std::future::pending().await
    }

    async fn wait_unless_cancelled(
        &self,
        caller: &Caller<'_, ()>,
        _: WaitUnlessCancelled,
    ) -> Result<(), Never> {
        self.signs.waiting.notify_one();
        caller.cancelled().await;
        self.signs.cancelled.notify_one();
        Ok(())
    }

    async fn gated(&self, _: &Caller<'_, ()>, _: Gated) -> Result<u32, Never> {
        let asked = self.signs.asked.fetch_add(1, Ordering::Relaxed) + 1;
        self.signs.waiting.notify_one();
        self.gate.acquire().await.expect("the gate stays").forget();
        Ok(asked)
    }

    async fn ask_back(&self, caller: &Caller<'_, ()>, _: AskBack) -> Result<bool, Never> {
        assert_eq!(caller.version(), 2);
        let client = self.signs.client.get().expect("set by the test");
        Ok(client.call(Delete { what: "a line".into() }).await.unwrap_or(false))
    }

    async fn newer(&self, _: &Caller<'_, ()>, _: Newer) -> Result<(), Never> {
        Ok(())
    }
}

/// A client of the server that comes back quickly, over connections that can be cut.
pub(crate) fn builder(
    server: &Server<Asking>,
    scissors: &Scissors,
    format: Format,
) -> ClientBuilder<Asking> {
    let mut quick = Backoff::default();
    quick.base = Duration::from_millis(10);
    quick.max = Duration::from_millis(20);
    quick.reset_after = Duration::ZERO;
    Client::builder("ws://memory")
        .token(|| async { "ann".to_owned() })
        .format(format)
        .reconnect(quick)
        .connector(scissors.connector(server))
}

/// A client that serves, and the server's handle of it.
pub(crate) async fn connected(
    server: &Server<Asking>,
    guest: &Guest,
    format: Format,
) -> (Client<Asking>, ClientHandle<Asking>, Scissors) {
    let scissors = Scissors::default();
    let client = builder(server, &scissors, format).serve(guest.clone()).connect().await;
    let client = client.expect("the server takes ann in");
    (client, only(server), scissors)
}

/// The only client of a server.
pub(crate) fn only(server: &Server<Asking>) -> ClientHandle<Asking> {
    let ids: Vec<_> = server.connections().iter().map(|connection| connection.id).collect();
    assert_eq!(ids.len(), 1);
    server.client(ids[0]).expect("ann is there")
}
