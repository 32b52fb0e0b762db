//! Books that a token opens for a time, their server, and a client made by hand.

use crate::speaker::Speaker;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    future::pending,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Channels, Credentials, Events, Fault, Limits,
    Principal, Protocol,
};
use ws_runtime::{Server, ServerConfig, transport::Received};

#[derive(Protocol)]
#[protocol(name = "bank", version = 1, channels = Books)]
pub(crate) struct Bank;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Channels)]
pub(crate) enum Books {
    /// Notes, in order.
    #[channel(event = Note, delivery = at_least_once, history = 8)]
    Book { name: String },
}

#[derive(Debug, Clone, PartialEq, Events)]
pub(crate) enum Note {
    Note(Text),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Text {
    text: String,
}

impl Note {
    pub(crate) fn of(text: &str) -> Self {
        Self::Note(Text { text: text.to_owned() })
    }
}

/// What a token says: `ann 60 a,b` is ann, for 60 s, with two books.
pub(crate) struct Holder {
    name: String,
    life: Duration,
    books: String,
}

impl Principal for Holder {
    fn id(&self) -> String {
        self.name.clone()
    }

    fn expires_in(&self) -> Option<Duration> {
        Some(self.life)
    }
}

/// What the tests look at from outside.
#[derive(Default)]
pub(crate) struct Signs {
    pub(crate) authenticated: AtomicU32,
    /// A token that begins with `slow` is looked at, ..
    pub(crate) waiting: Notify,
    /// .. may be decided about, ..
    pub(crate) go_on: Notify,
    /// .. or is of no interest any more.
    pub(crate) dropped: Notify,
}

#[derive(Clone, Default)]
pub(crate) struct App(pub(crate) Arc<Signs>);

/// Says so when it is dropped.
struct Dropped<'a>(&'a Notify);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Authenticate for App {
    type Principal = Holder;

    async fn authenticate(&self, credentials: &Credentials) -> Result<Holder, Fault> {
        self.0.authenticated.fetch_add(1, Ordering::Relaxed);
        let upgrade = credentials.bearer.as_ref().or(credentials.authorization.as_ref());
        let token = upgrade.or(credentials.token.as_ref());
        let token = token.map_or("", ws_proto::Secret::expose);
        let mut words: Vec<_> = token.split(' ').collect();
        if words[0] == "slow" {
            let _dropped = Dropped(&self.0.dropped);
            self.0.waiting.notify_one();
            self.0.go_on.notified().await;
            words.remove(0);
        }
        assert_ne!(words[0], "panic", "the authentication fails");
        let [name, life, books] = *words else { return Err(Fault::unauthorized("who are you?")) };
        let life = life.parse().map_err(|_| Fault::unauthorized("for how long?"))?;
        let life = Duration::from_secs(life);
        Ok(Holder { name: name.to_owned(), life, books: books.to_owned() })
    }
}

impl Authorize<Books> for App {
    async fn authorize(
        &self,
        caller: &Caller<'_, Holder>,
        access: Access<'_, Books>,
    ) -> Result<(), Fault> {
        let (Access::Subscribe(Books::Book { name }) | Access::Publish(Books::Book { name })) =
            access;
        let books = &caller.principal().books;
        // Somebody else's turn first, as with a database.
        tokio::task::yield_now().await;
        if books == "all" || books.split(',').any(|book| book == name) {
            return Ok(());
        }
        Err(Fault::forbidden("not your book"))
    }
}

pub(crate) fn config() -> ServerConfig {
    let limits = Limits::default();
    ServerConfig { limits, ..ServerConfig::default() }
}

pub(crate) fn server() -> (Server<Bank>, App) {
    let app = App::default();
    let mut config = config();
    config.limits.outbox_frames = 64;
    (Server::with_config(app.clone(), config).unwrap(), app)
}

/// What a client's application saw.
#[derive(Default)]
pub(crate) struct Asked {
    /// How often it was asked for a token.
    pub(crate) times: AtomicU32,
    /// Questions without an answer that were dropped.
    pub(crate) dropped: AtomicU32,
}

struct Unanswered(Arc<Asked>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client's application; `None`: it never answers.
pub(crate) fn token_source(
    answer: impl Fn(u32) -> Option<&'static str> + Send + Sync + 'static,
) -> (impl Fn() -> BoxFuture<'static, String> + Send + Sync, Arc<Asked>) {
    let asked = Arc::<Asked>::default();
    let counted = Arc::clone(&asked);
    let source = move || -> BoxFuture<'static, String> {
        let token = answer(counted.times.fetch_add(1, Ordering::Relaxed) + 1);
        let asked = Arc::clone(&counted);
        Box::pin(async move {
            let Some(token) = token else {
                let _unanswered = Unanswered(asked);
                return pending().await;
            };
            token.to_owned()
        })
    };
    (source, asked)
}

/// A client made by hand, that the server has taken in.
pub(crate) struct Hand {
    speaker: Speaker,
    /// `{session, ticket}`, of the welcome.
    pub(crate) grant: Value,
    pub(crate) is_resumed: bool,
}

impl Hand {
    pub(crate) async fn welcomed(server: &Server<Bank>, token: &str) -> Self {
        Self::greet(server, Credentials::default(), json!({"auth": {"token": token}})).await
    }

    pub(crate) async fn upgraded(server: &Server<Bank>, upgrade: Credentials) -> Self {
        Self::greet(server, upgrade, json!({})).await
    }

    pub(crate) async fn resuming(server: &Server<Bank>, token: &str, grant: &Value) -> Self {
        let mut resume = grant.clone();
        resume["recv"] = json!(0);
        let hello = json!({"auth": {"token": token}, "resume": resume});
        Self::greet(server, Credentials::default(), hello).await
    }

    async fn greet(server: &Server<Bank>, upgrade: Credentials, mut hello: Value) -> Self {
        let speaker = Speaker::connect(server, upgrade);
        let mut hand = Self { speaker, grant: Value::Null, is_resumed: false };
        hello["protocol"] = json!("bank");
        hello["version"] = json!([1, 1]);
        hand.send("$hello", json!({}), &hello);
        let welcome = hand.message().await;
        assert_eq!(welcome["type"], "$welcome", "{welcome}");
        let session = &welcome["payload"]["session"];
        hand.grant = json!({"session": session["id"], "ticket": session["ticket"]});
        hand.is_resumed = session["resumed"] == true;
        hand
    }

    pub(crate) fn auth(&mut self, token: &str) -> String {
        self.send("$auth", json!({}), &json!({"token": token}))
    }

    /// The answer to a message, whatever comes before it.
    pub(crate) async fn answer(&mut self, id: &str) -> Value {
        loop {
            let message = self.message().await;
            if message["re"] == id {
                return message;
            }
        }
    }

    pub(crate) async fn is_alive(&mut self) -> bool {
        self.said().await;
        true
    }

    /// All that the server says within a second, as text.
    pub(crate) async fn everything(&mut self) -> String {
        let mut all = String::new();
        let end = tokio::time::Instant::now() + Duration::from_secs(1);
        loop {
            let Ok(received) = tokio::time::timeout_at(end, self.next()).await else { break };
            let Received::Message(message) = received else { break };
            all.push_str(std::str::from_utf8(&message).unwrap());
        }
        all
    }
}

impl Deref for Hand {
    type Target = Speaker;

    fn deref(&self) -> &Speaker {
        &self.speaker
    }
}

impl DerefMut for Hand {
    fn deref_mut(&mut self) -> &mut Speaker {
        &mut self.speaker
    }
}
