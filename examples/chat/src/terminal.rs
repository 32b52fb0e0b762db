//! A client for the terminal, over the typed interface:
//! `cargo run -p chat -- client --name ann`
//!
//! Lines of the standard input are messages; `/join <room>`, `/topic <text>`, `/rooms` and
//! `/quit` are commands. It works in a pipe too, and ends with the input.

use crate::protocol::{
    Chat, History, Join, Joined, Leave, ListRooms, Message, Post, PostError, Room, RoomEvent,
    SetTopic, Typing, TypingEvent,
};
use clap::{Args, ValueEnum};
use std::{
    collections::BTreeMap,
    error::Error,
    fmt::Display,
    future,
    io::Write,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::watch,
    task::JoinSet,
};
use ws_proto::{Position, delivery};
use ws_runtime::{
    CallError, Client, ConnState, Gap,
    client::{ConnectError, Subscription},
};

/// How many old messages are shown on entering a room.
const SHOWN: u32 = 20;
/// How often it is said that somebody is typing.
const TYPING: Duration = Duration::from_secs(5);

/// How many people are shown as typing at once.
const TYPISTS: usize = 20;

type Failure = Box<dyn Error + Send + Sync>;

/// How to connect.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// What to be called: 1 to 32 characters.
    #[arg(long)]
    pub name: String,
    /// The room to enter first.
    #[arg(long, default_value = "lobby")]
    pub room: String,
    /// The server.
    #[arg(long, default_value = "ws://127.0.0.1:9000/ws")]
    pub url: String,
    /// How messages are written on the wire.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How messages are written on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text: easy to read in a network trace.
    Json,
    /// Binary: smaller and faster.
    #[default]
    Msgpack,
}

/// Talks until the input ends.
///
/// # Errors
///
/// When there is no connection at first, when the first room does not let us in, or when the
/// connection is lost for good.
pub async fn run(options: Options) -> Result<(), Box<dyn Error + Send + Sync>> {
    let name = options.name.clone();
    let client = Client::<Chat>::builder(&options.url)
        .token(move || future::ready(name.clone()))
        .format(options.format.into())
        .info("chat-terminal", env!("CARGO_PKG_VERSION"))
        .connect()
        .await?;
    let mut state = client.state();
    let mut tasks = JoinSet::new();
    state.mark_unchanged();
    tasks.spawn(show_state(state.clone()));
    let mut terminal = Terminal { client, name: options.name, room: None };
    terminal.enter(options.room).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            lost = lost_for_good(&mut state) => return Err(lost),
        };
        match line.as_deref().map(str::trim) {
            None | Some("/quit") => break,
            Some(line) => terminal.obey(line).await,
        }
    }
    drop((tasks, terminal.room));
    terminal.client.close().await;
    Ok(())
}

struct Terminal {
    client: Client<Chat>,
    name: String,
    /// The room's name, and the task that shows what happens in it.
    room: Option<(String, JoinSet<()>)>,
}

impl Terminal {
    async fn obey(&mut self, line: &str) {
        let done = match line.split_once(' ').unwrap_or((line, "")) {
            ("", _) => Ok(()),
            ("/rooms", _) => self.list().await,
            ("/topic", topic) => self.set_topic(topic.trim().to_owned()).await,
            ("/join", room) => self.enter(room.trim().to_owned()).await,
            (command, _) if command.starts_with('/') => {
                Err("the commands are /join <room>, /topic <text>, /rooms and /quit".into())
            }
            _ => self.post(line.to_owned()).await,
        };
        if let Err(error) = done {
            say("!", error);
        }
    }

    async fn list(&self) -> Result<(), Failure> {
        let answer = self.client.call(ListRooms {}).retry(3).await?;
        for room in answer.rooms {
            say("*", format_args!("{} ({} here)", room.name, room.members));
        }
        Ok(())
    }

    async fn post(&self, text: String) -> Result<(), Failure> {
        let (room, _) = self.room.as_ref().ok_or("you are in no room: /join one")?;
        let post = Post { room: room.clone(), text };
        let posted = match self.client.call(post.clone()).await {
            // A server that restarted has forgotten who was in the room.
            Err(CallError::Rejected(PostError::NotAMember)) => {
                self.client.call(Join { room: room.clone() }).retry(3).await?;
                self.client.call(post).await
            }
            posted => posted,
        };
        posted?;
        Ok(())
    }

    async fn set_topic(&self, topic: String) -> Result<(), Failure> {
        let (room, _) = self.room.as_ref().ok_or("you are in no room: /join one")?;
        self.client.call(SetTopic { room: room.clone(), topic }).retry(3).await?;
        Ok(())
    }

    /// Goes from the present room, if any, to another.
    async fn enter(&mut self, room: String) -> Result<(), Failure> {
        if self.room.as_ref().is_some_and(|(present, _)| *present == room) {
            return Ok(());
        }
        let mut scene = Scene::enter(&self.client, &room).await?;
        if let Some((left, mut tasks)) = self.room.take() {
            tasks.shutdown().await;
            self.client.call(Leave { room: left }).retry(3).await?;
        }
        say("*", format_args!("you are in {room}, with {}", scene.members.join(", ")));
        if !scene.topic.is_empty() {
            say("*", format_args!("it is about {}", scene.topic));
        }
        scene.show_history(&self.client, &room).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(show_room(self.client.clone(), room.clone(), self.name.clone(), scene));
        self.room = Some((room, tasks));
        Ok(())
    }
}

/// A room, from the moment that its `Joined` describes.
struct Scene {
    members: Vec<String>,
    topic: String,
    events: Subscription<RoomEvent, delivery::AtLeastOnce>,
    typing: Subscription<TypingEvent, delivery::BestEffort>,
    /// The number of the last message that was shown.
    shown: u64,
}

impl Scene {
    async fn enter(client: &Client<Chat>, room: &str) -> Result<Self, Failure> {
        let joined = client.call(Join { room: room.to_owned() }).retry(3).await?;
        let since = Position { epoch: joined.epoch.clone(), off: joined.off };
        let channel = Room { name: room.to_owned() };
        let events = client.subscribe_since(channel, Some(since)).await?;
        let typing = client.subscribe(Typing { room: room.to_owned() }).await?;
        let Joined { members, topic, .. } = joined;
        Ok(Self { members, topic, events, typing, shown: 0 })
    }

    async fn show_history(&mut self, client: &Client<Chat>, room: &str) -> Result<(), Failure> {
        let mut history = client.stream(History { room: room.to_owned(), limit: SHOWN });
        while let Some(message) = history.next().await {
            self.show(&message?);
        }
        history.finish().await?;
        Ok(())
    }

    /// Shows a message once: it may come as history and as an event.
    fn show(&mut self, message: &Message) {
        if message.number > self.shown {
            self.shown = message.number;
            say(&format!("{}:", message.by), &message.text);
        }
    }

    /// Shows what happens until a subscription ends.
    async fn watch(&mut self, me: &str) {
        let mut typed = BTreeMap::new();
        loop {
            tokio::select! {
                event = self.events.next() => match event {
                    Some(Ok(event)) => self.show_event(event),
                    None | Some(Err(Gap::Refused(_) | Gap::Ended(_))) => return,
                    Some(Err(Gap::Resumed)) => say("*", "nothing was missed"),
                    Some(Err(gap)) => say("!", format_args!("something was missed: {gap:?}")),
                },
                event = self.typing.next() => match event {
                    Some(Ok(TypingEvent::Keys { who })) if who != me => {
                        show_typing(&mut typed, &who);
                    }
                    None | Some(Err(Gap::Refused(_) | Gap::Ended(_))) => return,
                    Some(_) => {}
                },
            }
        }
    }

    fn show_event(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::Said(message) => self.show(&message),
            RoomEvent::Entered { who } => say("*", format_args!("{who} came in")),
            RoomEvent::Left { who } => say("*", format_args!("{who} left")),
            RoomEvent::TopicSet { by, topic } if topic.is_empty() => {
                say("*", format_args!("{by} took the topic away"));
            }
            RoomEvent::TopicSet { by, topic } => {
                say("*", format_args!("{by}: this is about {topic}"));
            }
            RoomEvent::Other(event) => {
                say("*", format_args!("{} (from a newer server)", event.kind));
            }
        }
    }
}

impl From<Format> for ws_proto::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Msgpack => Self::MessagePack,
        }
    }
}

/// Shows a room until it is left. A server that restarted has forgotten who was in it; then we
/// enter again.
async fn show_room(client: Client<Chat>, room: String, me: String, mut scene: Scene) {
    loop {
        scene.watch(&me).await;
        let shown = scene.shown;
        // The old subscriptions end before the new ones begin.
        drop(scene);
        scene = match Scene::enter(&client, &room).await {
            Ok(scene) => Scene { shown, ..scene },
            Err(error) => return say("!", format_args!("{room} is closed to us: {error}")),
        };
        if let Err(error) = scene.show_history(&client, &room).await {
            say("!", error);
        }
    }
}

/// The name is what the sender says: it is shown short, and not for many at once.
fn show_typing(typed: &mut BTreeMap<String, Instant>, who: &str) {
    typed.retain(|_, since| since.elapsed() < TYPING);
    let who: String = who.chars().take(32).collect();
    if typed.len() < TYPISTS && !typed.contains_key(&who) {
        say("~", format_args!("{who} is typing"));
        typed.insert(who, Instant::now());
    }
}

async fn show_state(mut state: watch::Receiver<ConnState>) {
    while state.changed().await.is_ok() {
        let state = state.borrow_and_update().clone();
        match state {
            ConnState::Waiting { delay, last } => {
                let seconds = delay.as_secs_f32();
                say("!", format_args!("not connected ({last}); again in {seconds:.1} s"));
            }
            ConnState::Ready { version } => say("!", format_args!("connected, version {version}")),
            _ => {}
        }
    }
}

/// Resolves when the client will not connect by itself any more.
async fn lost_for_good(state: &mut watch::Receiver<ConnState>) -> Failure {
    let closed = state.wait_for(|state| matches!(state, ConnState::Closed(_))).await;
    match closed.as_deref() {
        Ok(ConnState::Closed(Some(error))) => ConnectError::clone(error).into(),
        _ => "the client was closed".into(),
    }
}

/// One line for people. What others wrote cannot move the cursor.
fn say(mark: &str, text: impl Display) {
    let line = format!("{mark} {text}").replace(char::is_control, " ");
    // Nobody reads a closed pipe.
    let _ = writeln!(std::io::stdout(), "{line}");
}
