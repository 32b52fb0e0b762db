//! The application: who may come in, who may listen, and the answer to every request.

use crate::{
    house::{House, News, Presence, is_name},
    protocol::{
        Chat, ChatChannel, ChatHandler, History, HistoryEnd, HistoryError, Join, JoinError, Joined,
        Leave, ListRooms, Lobby, Message, Post, PostError, Posted, Room, RoomEvent, Rooms,
        SetTopic, TopicError,
    },
};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Mutex;
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Credentials, Fault, FaultCode, Items, Never,
    Principal, Secret, serve::Publishing,
};
use ws_runtime::{Server, ServerConfig, server::ConfigError};

/// How often the rooms are looked through for people who are gone.
const SWEEP: Duration = Duration::from_millis(500);

/// The application behind the server. Every change happens under one lock, its news included, so
/// that a room's state and its channel tell the same story.
#[derive(Debug)]
pub struct App {
    house: Arc<Mutex<House>>,
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Guest {
    name: String,
    /// The person is here while one of their connections holds this.
    _presence: Presence,
}

/// A chat server. People leave their rooms when their last connection was gone for `grace`:
/// longer than a client needs to come back.
///
/// # Errors
///
/// When a value of the configuration makes no sense.
pub fn server(config: ServerConfig, grace: Duration) -> Result<Server<Chat>, ConfigError> {
    let house = Arc::new(Mutex::new(House::new(now_ms())));
    let server = Server::with_config(App { house: Arc::clone(&house) }, config)?;
    tokio::spawn(sweep(server.clone(), house, grace));
    Ok(server)
}

/// Who may connect: everybody who has a name.
impl Authenticate for App {
    type Principal = Guest;

    async fn authenticate(&self, credentials: &Credentials) -> Result<Guest, Fault> {
        let name = credentials.token.as_ref().map(Secret::expose);
        let name = name.filter(|name| is_name(name)).ok_or_else(|| {
            Fault::unauthorized("the token is your name: 1 to 32 characters, at most 64 bytes")
        })?;
        let presence = self.house.lock().await.arrive(name).ok_or_else(|| {
            Fault::new(FaultCode::Overloaded, "there are too many people; try again later")
        })?;
        Ok(Guest { name: name.to_owned(), _presence: presence })
    }
}

/// Who may listen and who may speak. A new channel stops this from compiling until it is decided.
impl Authorize<ChatChannel> for App {
    async fn authorize(
        &self,
        caller: &Caller<'_, Guest>,
        access: Access<'_, ChatChannel>,
    ) -> Result<(), Fault> {
        let is_allowed = match access {
            Access::Subscribe(ChatChannel::Lobby) => true,
            Access::Subscribe(ChatChannel::Room { name: room } | ChatChannel::Typing { room })
            | Access::Publish(ChatChannel::Typing { room }) => {
                self.house.lock().await.is_member(caller.principal().name(), room)
            }
            // `Post` speaks for people, and the server for itself.
            Access::Publish(ChatChannel::Room { .. } | ChatChannel::Lobby) => false,
        };
        if is_allowed { Ok(()) } else { Err(Fault::forbidden("join the room first")) }
    }
}

/// One method per request; the return value is the answer.
impl ChatHandler for App {
    async fn list_rooms(&self, _: &Caller<'_, Guest>, _: ListRooms) -> Result<Rooms, Never> {
        Ok(Rooms { rooms: self.house.lock().await.list() })
    }

    async fn join(&self, caller: &Caller<'_, Guest>, req: Join) -> Result<Joined, JoinError> {
        let mut house = self.house.lock().await;
        let news = house.join(caller.principal().name(), &req.room)?;
        tell(&mut house, news, caller).await;
        Ok(house.joined(&req.room))
    }

    async fn leave(&self, caller: &Caller<'_, Guest>, req: Leave) -> Result<(), Never> {
        let mut house = self.house.lock().await;
        let news = house.leave(caller.principal().name(), &req.room);
        tell(&mut house, news, caller).await;
        Ok(())
    }

    async fn post(&self, caller: &Caller<'_, Guest>, req: Post) -> Result<Posted, PostError> {
        let mut house = self.house.lock().await;
        let message = house.post(caller.principal().name(), &req.room, req.text, now_ms())?;
        let number = message.number;
        let said = RoomEvent::Said(Arc::unwrap_or_clone(message));
        tell(&mut house, vec![News::Room(req.room, said)], caller).await;
        Ok(Posted { number })
    }

    async fn history(
        &self,
        caller: &Caller<'_, Guest>,
        req: History,
        mut items: Items<Message>,
    ) -> Result<HistoryEnd, HistoryError> {
        let name = caller.principal().name();
        let (messages, older) = self.house.lock().await.history(name, &req.room, req.limit)?;
        for message in messages {
            if items.send(&message).await.is_err() {
                // Nobody waits for the rest.
                break;
            }
        }
        Ok(HistoryEnd { older })
    }

    async fn set_topic(&self, caller: &Caller<'_, Guest>, req: SetTopic) -> Result<(), TopicError> {
        let mut house = self.house.lock().await;
        let news = house.set_topic(caller.principal().name(), &req.room, &req.topic)?;
        tell(&mut house, news.into_iter().collect(), caller).await;
        Ok(())
    }
}

impl Guest {
    /// What they call themselves.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Principal for Guest {
    fn id(&self) -> String {
        self.name.clone()
    }
}

/// Publishes on behalf of a request, or of the server itself.
trait Announce {
    fn announce(&self, news: &News) -> Publishing;
}

impl Announce for Caller<'_, Guest> {
    fn announce(&self, news: &News) -> Publishing {
        match news {
            News::Room(name, event) => self.publish(Room { name: name.clone() }, event),
            News::Lobby(event) => self.publish(Lobby, event),
        }
    }
}

impl Announce for Server<Chat> {
    fn announce(&self, news: &News) -> Publishing {
        match news {
            News::Room(name, event) => self.publish(Room { name: name.clone() }, event),
            News::Lobby(event) => self.publish(Lobby, event),
        }
    }
}

async fn tell(house: &mut House, news: Vec<News>, announcer: &(impl Announce + Sync)) {
    for news in news {
        match announcer.announce(&news).await {
            Ok(Some(position)) => house.stands(&news, position),
            Ok(None) => {}
            // The bounds of names and texts make every event fit.
            Err(error) => tracing::error!(%error, "news was not published"),
        }
    }
}

/// Takes people out of their rooms when they are gone, until the server stops.
async fn sweep(server: Server<Chat>, house: Arc<Mutex<House>>, grace: Duration) {
    let mut ticks = tokio::time::interval(SWEEP.min(grace.max(Duration::from_millis(10))));
    while !server.is_draining() {
        ticks.tick().await;
        let mut house = house.lock().await;
        let news = house.sweep(Instant::now(), grace);
        tell(&mut house, news, &server).await;
    }
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
