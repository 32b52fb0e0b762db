//! A protocol whose server writes down everything that it does, so that "once" can be checked.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Channels, Credentials, Events, Fault, Items, Never,
    Parts, Position, Protocol, Requests,
};

#[derive(Protocol)]
#[protocol(name = "ledger", version = 1, requests = LedgerRequest, channels = LedgerChannel)]
pub(crate) struct Ledger;

#[derive(Debug, Requests)]
#[requests(handler = LedgerHandler, call = LedgerCall)]
pub(crate) enum LedgerRequest {
    /// Writes a number down, tells the room, and says the number back.
    #[rpc(reply = u32)]
    Enter { room: String, number: u32 },
    /// Counts up to a number, one item each.
    #[rpc(reply = u32, stream = u32)]
    Count { to: u32 },
    /// Counts the parts, which must be the numbers from one.
    #[rpc(reply = u32, upload = u32)]
    Recount,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Channels)]
pub(crate) enum LedgerChannel {
    /// The numbers of one room.
    #[channel(event = Entry, delivery = at_least_once, history = 65_536, publish = client)]
    Room { name: String },
}

#[derive(Debug, Clone, PartialEq, Events)]
pub(crate) enum Entry {
    Entered {
        number: u32,
    },
    /// Nothing comes after it.
    Last,
}

/// What the server did.
#[derive(Clone, Default)]
pub(crate) struct Books(Arc<Mutex<Pages>>);

#[derive(Default)]
struct Pages {
    /// How often each number was entered by its handler.
    executed: HashMap<u32, u32>,
    /// The numbers of each room, by their positions.
    rooms: HashMap<String, BTreeMap<u64, u32>>,
}

impl Books {
    /// Writes down that a number was published.
    pub(crate) fn published(&self, room: &str, position: Option<Position>, number: u32) {
        let off = position.expect("the channel keeps its events").off;
        let before = self.pages().rooms.entry(room.to_owned()).or_default().insert(off, number);
        assert_eq!(before, None, "two events have the position {off} in {room}");
    }

    /// How often the handler ran for a number.
    pub(crate) fn executions(&self, number: u32) -> u32 {
        self.pages().executed.get(&number).copied().unwrap_or_default()
    }

    /// The numbers of a room in the order of their positions.
    pub(crate) fn numbers(&self, room: &str) -> Vec<u32> {
        let pages = self.pages();
        pages.rooms.get(room).map(|room| room.values().copied().collect()).unwrap_or_default()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap()
    }
}

impl Authenticate for Books {
    type Principal = String;

    async fn authenticate(&self, credentials: &Credentials) -> Result<String, Fault> {
        let token = credentials.token.as_ref().map(ws_proto::Secret::expose);
        token.map(str::to_owned).ok_or_else(|| Fault::unauthorized("who are you?"))
    }
}

impl Authorize<LedgerChannel> for Books {
    async fn authorize(
        &self,
        _: &Caller<'_, String>,
        _: Access<'_, LedgerChannel>,
    ) -> Result<(), Fault> {
        Ok(())
    }
}

impl LedgerHandler for Books {
    async fn enter(&self, caller: &Caller<'_, String>, req: Enter) -> Result<u32, Never> {
        *self.pages().executed.entry(req.number).or_default() += 1;
        let entered = Entry::Entered { number: req.number };
        let room = Room { name: req.room.clone() };
        let position = caller.publish(room, &entered).await.expect("the room takes events");
        self.published(&req.room, position, req.number);
        Ok(req.number)
    }

    async fn count(
        &self,
        _: &Caller<'_, String>,
        req: Count,
        mut items: Items<u32>,
    ) -> Result<u32, Never> {
        for n in 1..=req.to {
            if items.send(&n).await.is_err() {
                return Ok(n);
            }
        }
        Ok(req.to)
    }

    async fn recount(
        &self,
        _: &Caller<'_, String>,
        _: Recount,
        mut parts: Parts<u32>,
    ) -> Result<u32, Never> {
        let mut last = 0;
        while let Some(Ok(part)) = parts.next().await {
            assert_eq!(part, last + 1, "a part of an upload");
            last = part;
        }
        Ok(last)
    }
}
