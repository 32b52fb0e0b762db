//! A protocol with secrets in it, its server, and a client that is made by hand.

use crate::speaker::Speaker;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::task::yield_now;
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Channels, Credentials, Events, Fault, Never, Protocol,
    Requests,
};
use ws_runtime::{Server, server::Inspect};

#[derive(Protocol)]
#[protocol(name = "vault", version = 1, requests = VaultRequest, channels = VaultChannel)]
pub(crate) struct Vault;

#[derive(Debug, Requests)]
pub(crate) enum VaultRequest {
    /// Says who opened it.
    #[rpc(reply = String, error = Never)]
    Unlock {
        door: String,
        #[ws(redact)]
        #[serde(rename = "pin")]
        code: String,
        note: String,
    },
    /// Waits for ever.
    #[rpc(reply = (), error = Never)]
    Wait {},
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Channels)]
pub(crate) enum VaultChannel {
    /// What happens at a door.
    #[channel(event = DoorEvent, delivery = at_least_once, history = 64)]
    Door { name: String },
}

#[derive(Debug, Clone, PartialEq, Events)]
pub(crate) enum DoorEvent {
    Opened { by: String },
}

pub(crate) struct App;

impl Authenticate for App {
    type Principal = String;

    async fn authenticate(&self, credentials: &Credentials) -> Result<String, Fault> {
        let token = credentials.token.as_ref().map(|token| token.expose().to_owned());
        let name = token.as_ref().and_then(|token| token.strip_prefix("key of "));
        name.map(str::to_owned).ok_or_else(|| Fault::unauthorized("who are you?"))
    }
}

impl Authorize<VaultChannel> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, String>,
        _: Access<'_, VaultChannel>,
    ) -> Result<(), Fault> {
        Ok(())
    }
}

impl VaultRequestHandler for App {
    async fn unlock(&self, caller: &Caller<'_, String>, req: Unlock) -> Result<String, Never> {
        Ok(format!("{} opens {}", caller.principal(), req.door))
    }

    async fn wait(&self, _: &Caller<'_, String>, _: Wait) -> Result<(), Never> {
        std::future::pending().await
    }
}

/// A server that shows itself to everybody.
pub(crate) fn open() -> Server<Vault> {
    Server::new(App).inspect(Inspect::new("/live", |_| true))
}

/// A connection on which nothing was said yet, and its number.
pub(crate) async fn accepted(server: &Server<Vault>) -> (Speaker, u64) {
    let newest = || server.connections().iter().map(|info| info.id.0).max();
    let before = newest();
    let speaker = Speaker::connect(server, Credentials::default());
    while newest() <= before {
        yield_now().await;
    }
    (speaker, newest().unwrap())
}

/// A client that was taken in, its number, and its welcome.
pub(crate) async fn welcomed(server: &Server<Vault>, name: &str) -> (Speaker, u64, Value) {
    let (mut speaker, id) = accepted(server).await;
    speaker.send("$hello", json!({}), &hello(name));
    let welcome = speaker.message().await;
    assert_eq!(welcome["type"], "$welcome", "{welcome}");
    (speaker, id, welcome)
}

pub(crate) fn hello(name: &str) -> Value {
    let client = json!({"name": "hand", "version": "1"});
    let auth = json!({"token": format!("key of {name}")});
    json!({"protocol": "vault", "version": [1, 1], "client": client, "auth": auth})
}

/// Asks the page for this; gives the status and the text.
pub(crate) async fn asked(server: &Server<Vault>, query: &str) -> (StatusCode, String) {
    let request = Request::get(format!("/live?{query}")).body(()).unwrap();
    answered(server, &request).await
}

pub(crate) async fn answered(
    server: &Server<Vault>,
    request: &Request<()>,
) -> (StatusCode, String) {
    let remote = "192.0.2.1:5".parse().unwrap();
    let response = server.look(request, Some(remote));
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// What is known about a connection, once it has told its figures.
pub(crate) async fn figures(server: &Server<Vault>, id: u64) -> Value {
    loop {
        // Whoever has something to do has done it.
        for _ in 0..64 {
            yield_now().await;
        }
        let (status, text) = asked(server, "show=connections&look=me").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        let rows = answer["connections"].as_array_mut().unwrap();
        let row = rows.iter_mut().find(|row| row["id"] == id).expect("a row of this connection");
        if row.get("queued").is_some() {
            return row.take();
        }
    }
}

/// The frames of a connection after a number, as they are shown.
pub(crate) async fn frames(server: &Server<Vault>, of: u64, run: u64, after: u64) -> Value {
    let query = format!("show=frames&look=me&of={of}&run={run}&after={after}");
    let (status, text) = asked(server, &query).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    serde_json::from_str(&text).unwrap()
}
