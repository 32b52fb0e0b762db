//! The application of the reference server. Each rule of it stands in `docs/conformance.md`.

use crate::protocol::{
    Ask, Board, BoardState, Busy, Confirm, Conformance, ConformanceChannel, ConformanceHandler,
    Crash, Echo, History, HistoryEnd, HistoryError, Import, ImportError, Join, JoinError, Kick,
    Large, Leave, Members, Number, Parts as Counted, Pay, Payments, Pin, Revoke, Room, RoomEvent,
    Save, Say, Text, Wait, Whisper, Yes,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Credentials, Fault, FaultCode, Items, Never, Parts,
    Principal, Secret, Snapshot,
};
use ws_runtime::{CallError, Server, server::ClientHandle};

/// The rooms that a server remembers the boards of, at most.
const BOARDS: usize = 1000;
/// The longest that a request waits.
const LONGEST: Duration = Duration::from_secs(60);

/// The application: it answers at once, and decides by names.
#[derive(Clone, Debug, Default)]
pub struct App(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    boards: Mutex<BTreeMap<String, Vec<String>>>,
    payments: Mutex<u32>,
    server: OnceLock<Server<Conformance>>,
}

/// Who is at the other end: what stands before the first `:` of the token.
#[derive(Debug)]
pub struct Guest {
    name: String,
    is_short: bool,
}

/// The reference server, with every default.
#[must_use]
pub fn server() -> Server<Conformance> {
    let app = App::default();
    let server = Server::new(app.clone());
    // Its own application is made once.
    let _ = app.0.server.set(server.clone());
    server
}

impl Principal for Guest {
    fn id(&self) -> String {
        self.name.clone()
    }

    fn expires_in(&self) -> Option<Duration> {
        self.is_short.then_some(Duration::from_secs(1))
    }
}

impl Authenticate for App {
    type Principal = Guest;

    async fn authenticate(&self, credentials: &Credentials) -> Result<Guest, Fault> {
        let token = credentials.token.as_ref().map_or("anonymous", Secret::expose);
        let (name, rest) = token.split_once(':').unwrap_or((token, ""));
        match (name, rest) {
            (_, "wrong") | ("wrong", _) => Err(Fault::unauthorized("these credentials are wrong")),
            ("banned", _) => Err(Fault::forbidden("this principal may not connect")),
            _ => Ok(Guest { name: name.to_owned(), is_short: rest == "short" }),
        }
    }
}

impl Authorize<ConformanceChannel> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, Guest>,
        access: Access<'_, ConformanceChannel>,
    ) -> Result<(), Fault> {
        match access {
            Access::Subscribe(ConformanceChannel::Room { name })
            | Access::Publish(ConformanceChannel::Room { name })
                if name == "private" =>
            {
                Err(Fault::forbidden("nobody may listen or speak here"))
            }
            Access::Publish(ConformanceChannel::Board { .. }) => {
                Err(Fault::forbidden("ask to `pin`"))
            }
            Access::Subscribe(_) | Access::Publish(_) => Ok(()),
        }
    }
}

impl Snapshot<Board> for App {
    async fn snapshot(&self, _: &Caller<'_, Guest>, board: &Board) -> Result<BoardState, Fault> {
        let boards = self.0.boards.lock().map_err(|_| poisoned())?;
        Ok(BoardState { texts: boards.get(&board.name).cloned().unwrap_or_default() })
    }
}

impl ConformanceHandler for App {
    async fn join(&self, _: &Caller<'_, Guest>, req: Join) -> Result<Members, JoinError> {
        match req.room.as_deref() {
            Some("full") => Err(JoinError::Full { limit: 8 }),
            _ => Ok(Members { members: 1 }),
        }
    }

    async fn leave(&self, _: &Caller<'_, Guest>, _: Leave) -> Result<(), Never> {
        Ok(())
    }

    async fn whisper(&self, _: &Caller<'_, Guest>, _: Whisper) -> Result<(), Never> {
        Ok(())
    }

    async fn say(&self, caller: &Caller<'_, Guest>, req: Say) -> Result<(), Never> {
        let name = req.room.unwrap_or_else(|| "lobby".to_owned());
        let said = RoomEvent::Said { text: req.text };
        caller.publish(Room { name }, &said).await.expect("a room takes every text");
        Ok(())
    }

    async fn pin(&self, caller: &Caller<'_, Guest>, req: Pin) -> Result<(), Never> {
        let pinned = RoomEvent::Pinned { text: req.text.clone() };
        // The state first: a snapshot shows every event up to its position, and perhaps more.
        if let Ok(mut boards) = self.0.boards.lock()
            && (boards.len() < BOARDS || boards.contains_key(&req.board))
        {
            boards.entry(req.board.clone()).or_default().push(req.text);
        }
        caller.publish(Board { name: req.board }, &pinned).await.expect("a board takes every text");
        Ok(())
    }

    async fn history(
        &self,
        _: &Caller<'_, Guest>,
        req: History,
        mut items: Items<Number>,
    ) -> Result<HistoryEnd, HistoryError> {
        let is_gone = req.room.as_deref() == Some("gone");
        for n in 1..=req.count.unwrap_or(3) {
            // An error means that nobody waits for the rest.
            if items.send(&Number { n }).await.is_err() {
                break;
            }
            if is_gone {
                return Err(HistoryError { gone: true });
            }
        }
        Ok(HistoryEnd { more: false })
    }

    async fn import(
        &self,
        caller: &Caller<'_, Guest>,
        req: Import,
        mut parts: Parts<Number>,
    ) -> Result<Counted, ImportError> {
        if req.name.as_deref() == Some("known") {
            return Err(ImportError { known: true });
        }
        if req.name.as_deref() == Some("unread") {
            caller.cancelled().await;
            return Ok(Counted { parts: 0 });
        }
        let mut count = 0;
        while let Some(Ok(_)) = parts.next().await {
            count += 1;
        }
        Ok(Counted { parts: count })
    }

    async fn save(&self, _: &Caller<'_, Guest>, req: Save) -> Result<(), Never> {
        pause(req.wait_ms.unwrap_or(0)).await;
        Ok(())
    }

    async fn echo(&self, _: &Caller<'_, Guest>, req: Echo) -> Result<Text, Never> {
        Ok(Text { text: req.text })
    }

    async fn wait(&self, _: &Caller<'_, Guest>, req: Wait) -> Result<(), Never> {
        pause(req.ms).await;
        Ok(())
    }

    async fn large(&self, _: &Caller<'_, Guest>, req: Large) -> Result<Text, Never> {
        // A message is never larger than 64 KiB, so twice that shows everything there is to see.
        Ok(Text { text: "x".repeat((req.letters as usize).min(131_072)) })
    }

    async fn pay(&self, _: &Caller<'_, Guest>, _: Pay) -> Result<Payments, Never> {
        let mut payments = self.0.payments.lock().expect("nobody fails with it");
        *payments += 1;
        Ok(Payments { count: *payments })
    }

    async fn crash(&self, _: &Caller<'_, Guest>, _: Crash) -> Result<(), Never> {
        panic!("this request fails")
    }

    async fn ask(&self, caller: &Caller<'_, Guest>, req: Ask) -> Result<Yes, Busy> {
        let asked = ClientHandle::<Conformance>::of(caller).call(Confirm { text: Some(req.text) });
        asked.await.map_err(|error| match error {
            CallError::Rejected(busy) => busy,
            other => Busy { why: other.to_string() },
        })
    }

    async fn revoke(&self, caller: &Caller<'_, Guest>, req: Revoke) -> Result<(), Never> {
        let why = Fault::forbidden("removed from the room");
        let room = Room { name: req.room };
        if let Some(server) = self.0.server.get() {
            server.unsubscribe(&caller.principal().name, room, why).expect("a name is an address");
        }
        Ok(())
    }

    async fn kick(&self, caller: &Caller<'_, Guest>, _: Kick) -> Result<(), Never> {
        if let Some(server) = self.0.server.get() {
            let _ended = server.kick(&caller.principal().name, "as asked");
        }
        Ok(())
    }
}

async fn pause(ms: u32) {
    tokio::time::sleep(Duration::from_millis(ms.into()).min(LONGEST)).await;
}

fn poisoned() -> Fault {
    Fault::new(FaultCode::Internal, "a handler failed")
}
