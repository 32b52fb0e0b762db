//! A small protocol that has one of everything, and its server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};
use tokio::sync::Notify;
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Channels, Credentials, Events, Fault, Items, Never,
    Parts, Protocol, Requests, Snapshot, UnknownEvent,
};

#[derive(Protocol)]
#[protocol(name = "lab", version = 3, min_version = 1, requests = LabRequest, channels = LabChannel)]
pub(crate) struct Lab;

#[derive(Debug, Requests)]
#[requests(handler = LabHandler, call = LabCall)]
pub(crate) enum LabRequest {
    /// Says it back.
    #[rpc(reply = String, idempotent)]
    Echo { text: String },
    /// Says no.
    #[rpc(reply = (), error = Refusal)]
    Refuse { why: String },
    /// Fails.
    #[rpc(reply = ())]
    Panic,
    /// Counts up to a number, one item each.
    #[rpc(reply = u32, stream = u32)]
    Count { to: u32 },
    /// Waits until the application says so.
    #[rpc(reply = (), cancel)]
    Wait,
    /// Waits, and notices that nobody waits for it.
    #[rpc(reply = ())]
    WaitUnlessCancelled,
    /// Publishes to a hall.
    #[rpc(reply = (), ordered)]
    Say { hall: String, text: String },
    /// Only in newer versions.
    #[rpc(reply = (), since = 2)]
    Newer,
    /// Brings an answer of this many bytes.
    #[rpc(reply = String)]
    Large { bytes: u32 },
    /// Adds numbers up, unless told to stop at one of them.
    #[rpc(reply = u32, error = Refusal, upload = u32)]
    Sum { until: Option<u32> },
    /// Takes texts and reads none, until nobody waits.
    #[rpc(reply = (), upload = String)]
    Hoard,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Refusal {
    pub why: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Channels)]
pub(crate) enum LabChannel {
    /// What is said, in order.
    #[channel(event = HallEvent, delivery = at_least_once, history = 8, publish = client)]
    Hall { name: String },
    /// What may be missed.
    #[channel(event = Tick, delivery = best_effort)]
    Ticks,
    /// What is pinned to a board, and what was before.
    #[channel(event = HallEvent, delivery = at_least_once, history = 4, snapshot = Pins)]
    Board { name: String },
    /// Nobody may listen.
    #[channel(event = Tick, delivery = best_effort)]
    Secret,
}

/// The state of a board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Pins {
    pub texts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Events)]
pub(crate) enum HallEvent {
    Said {
        text: String,
    },
    #[event(since = 3)]
    Pinned {
        text: String,
    },
    #[event(unknown)]
    Other(UnknownEvent),
}

#[derive(Debug, Clone, PartialEq, Events)]
pub(crate) enum Tick {
    Ticked {
        n: u32,
    },
    /// As long as a test wants it.
    Noted {
        text: String,
    },
}

/// What the tests look at from outside.
#[derive(Default)]
pub(crate) struct Signs {
    pub waiting: Notify,
    pub cancelled: Notify,
    pub authenticated: AtomicU32,
    /// Nobody may listen to the hall and the board `gone` any more.
    pub is_gone: AtomicBool,
    /// Who wants to listen waits for `decided`.
    pub is_undecided: AtomicBool,
    pub decided: Notify,
    /// Every snapshot is made slowly.
    pub is_slow: AtomicBool,
    /// What snapshots show.
    pub pinned: Mutex<Vec<String>>,
    /// A snapshot of the slow board, or a late authentication, may go on.
    pub go_on: Notify,
}

impl Signs {
    /// Says that it waits, and says it when that is dropped.
    async fn for_ever<T>(&self) -> T {
        struct Dropped<'a>(&'a Signs);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                self.0.cancelled.notify_one();
            }
        }
        let _dropped = Dropped(self);
        self.waiting.notify_one();
        std::future::pending().await
    }
}

#[derive(Clone, Default)]
pub(crate) struct App(pub Arc<Signs>);

impl Authenticate for App {
    type Principal = String;

    async fn authenticate(&self, credentials: &Credentials) -> Result<String, Fault> {
        self.0.authenticated.fetch_add(1, Ordering::Relaxed);
        let token = credentials.token.as_ref().map(ws_proto::Secret::expose);
        match token {
            None | Some("wrong") => Err(Fault::unauthorized("who are you?")),
            Some("slow") => Ok(self.0.for_ever().await),
            Some("panic") => panic!("the authentication fails"),
            Some("late") => {
                self.0.waiting.notify_one();
                self.0.go_on.notified().await;
                Ok("late".to_owned())
            }
            Some(name) => Ok(name.to_owned()),
        }
    }
}

impl Authorize<LabChannel> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, String>,
        access: Access<'_, LabChannel>,
    ) -> Result<(), Fault> {
        if matches!(access, Access::Subscribe(_)) && self.0.is_undecided.load(Ordering::Relaxed) {
            self.0.decided.notified().await;
        }
        match access {
            Access::Subscribe(LabChannel::Hall { name } | LabChannel::Board { name })
                if name == "gone" && self.0.is_gone.load(Ordering::Relaxed) =>
            {
                Err(Fault::forbidden("it is gone"))
            }
            Access::Subscribe(
                LabChannel::Hall { .. } | LabChannel::Ticks | LabChannel::Board { .. },
            ) => Ok(()),
            Access::Publish(LabChannel::Hall { name }) if name == "open" => Ok(()),
            Access::Publish(LabChannel::Hall { name }) if name.starts_with("slow") => {
                std::future::pending().await
            }
            Access::Publish(_) | Access::Subscribe(LabChannel::Secret) => {
                Err(Fault::forbidden("not for you"))
            }
        }
    }
}

impl Snapshot<Board> for App {
    async fn snapshot(&self, _: &Caller<'_, String>, board: &Board) -> Result<Pins, Fault> {
        match &*board.name {
            "empty" if self.0.pinned.lock().unwrap().is_empty() => {
                return Err(Fault::forbidden("nobody sees an empty board"));
            }
            "broken" => panic!("the snapshot fails"),
            "stuck" => std::future::pending().await,
            "huge" => return Ok(Pins { texts: vec!["x".repeat(70_000)] }),
            name if name == "slow" || self.0.is_slow.load(Ordering::Relaxed) => {
                self.0.waiting.notify_one();
                self.0.go_on.notified().await;
            }
            _ => {}
        }
        Ok(Pins { texts: self.0.pinned.lock().unwrap().clone() })
    }
}

impl LabHandler for App {
    async fn echo(&self, _: &Caller<'_, String>, req: Echo) -> Result<String, Never> {
        Ok(req.text)
    }

    async fn refuse(&self, _: &Caller<'_, String>, req: Refuse) -> Result<(), Refusal> {
        Err(Refusal { why: req.why })
    }

    async fn panic(&self, _: &Caller<'_, String>, _: Panic) -> Result<(), Never> {
        panic!("the handler fails")
    }

    async fn count(
        &self,
        _: &Caller<'_, String>,
        req: Count,
        mut items: Items<u32>,
    ) -> Result<u32, Never> {
        for n in 1..=req.to {
            if items.send(&n).await.is_err() {
                self.0.cancelled.notify_one();
                return Ok(n);
            }
        }
        Ok(req.to)
    }

    async fn wait(&self, _: &Caller<'_, String>, _: Wait) -> Result<(), Never> {
        self.0.for_ever().await
    }

    async fn wait_unless_cancelled(
        &self,
        caller: &Caller<'_, String>,
        _: WaitUnlessCancelled,
    ) -> Result<(), Never> {
        self.0.waiting.notify_one();
        caller.cancelled().await;
        self.0.cancelled.notify_one();
        Ok(())
    }

    async fn say(&self, caller: &Caller<'_, String>, req: Say) -> Result<(), Never> {
        let said = HallEvent::Said { text: req.text };
        caller.publish(Hall { name: req.hall }, &said).await.expect("the hall takes events");
        Ok(())
    }

    async fn newer(&self, _: &Caller<'_, String>, _: Newer) -> Result<(), Never> {
        Ok(())
    }

    async fn large(&self, _: &Caller<'_, String>, req: Large) -> Result<String, Never> {
        Ok("x".repeat(req.bytes as usize))
    }

    async fn sum(
        &self,
        _: &Caller<'_, String>,
        req: Sum,
        mut parts: Parts<u32>,
    ) -> Result<u32, Refusal> {
        let mut sum = 0;
        while let Some(part) = parts.next().await {
            let Ok(part) = part else {
                self.0.cancelled.notify_one();
                break;
            };
            sum += part;
            if req.until == Some(part) {
                return if part == 0 { Err(Refusal { why: "zero".into() }) } else { Ok(sum) };
            }
        }
        Ok(sum)
    }

    async fn hoard(
        &self,
        caller: &Caller<'_, String>,
        _: Hoard,
        mut parts: Parts<String>,
    ) -> Result<(), Never> {
        let first = parts.next().await;
        self.0.waiting.notify_one();
        caller.cancelled().await;
        drop(first);
        self.0.cancelled.notify_one();
        Ok(())
    }
}
