//! The Rust client as a testee of the conformance runner: it obeys orders on its standard input and
//! says what happened on its standard output (`docs/conformance.md`).

use conformance::protocol::{
    Ask, Board, Busy, Confirm, Conformance, Crash, Echo, History, Import, Join, Kick, Large, Leave,
    Locate, Number, Pay, Pin, Revoke, Room, RoomEvent, Save, Say, TesteeHandler, Text, Typing,
    TypingEvent, Wait, Whisper, Yes,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{collections::BTreeMap, env, error::Error, fmt::Debug, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    task::AbortHandle,
};
use ws_proto::{Caller, EventSet, Format, Never, Position, Serve, snapshot};
use ws_runtime::{
    CallError, Client, ConnState, Gap, Outcome,
    client::{Backoff, ClientBuilder, ConnectError, SubscribeError, Subscription},
};

struct App;

impl Serve for App {
    type Principal = ();
}

impl TesteeHandler for App {
    async fn confirm(&self, _: &Caller<'_, ()>, req: Confirm) -> Result<Yes, Busy> {
        match req.text.as_deref() {
            Some("busy") => Err(Busy { why: "busy".to_owned() }),
            Some("wait") => std::future::pending().await,
            _ => Ok(Yes { yes: true }),
        }
    }

    async fn locate(&self, _: &Caller<'_, ()>, _: Locate) -> Result<Text, Never> {
        Ok(Text { text: "here".to_owned() })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = builder(env::var("WSP_URL")?).connect_lazy();
    let mut state = client.state();
    tokio::spawn(async move {
        while state.changed().await.is_ok() {
            tell_state(&state.borrow_and_update());
        }
    });
    let mut testee = Testee { client, calls: BTreeMap::new(), subscriptions: BTreeMap::new() };
    let mut orders = BufReader::new(stdin()).lines();
    while let Some(order) = orders.next_line().await? {
        testee.obey(&serde_json::from_str(&order)?)?;
        // One order is under way before the next is read.
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn builder(url: String) -> ClientBuilder<Conformance> {
    let is_json = env::var("WSP_FORMAT").is_ok_and(|format| format == "json");
    let format = if is_json { Format::Json } else { Format::MessagePack };
    let mut backoff = Backoff::default();
    backoff.base = Duration::from_millis(50);
    let token = || async { "ann".to_owned() };
    Client::builder(url).format(format).token(token).reconnect(backoff).serve(App)
}

struct Testee {
    client: Client<Conformance>,
    calls: BTreeMap<u64, AbortHandle>,
    subscriptions: BTreeMap<String, AbortHandle>,
}

impl Testee {
    fn obey(&mut self, order: &Value) -> Result<(), Box<dyn Error>> {
        let n = order["n"].as_u64().unwrap_or(0);
        let ch = order["ch"].as_str().unwrap_or_default().to_owned();
        match order["do"].as_str().unwrap_or_default() {
            "call" => self.call(n, order)?,
            "stream" => self.stream(n, order)?,
            "upload" => self.upload(n, order)?,
            "cancel" => {
                self.calls.remove(&n).ok_or("no such call")?.abort();
                say(&json!({"n": n, "failed": "cancelled"}));
            }
            "subscribe" => self.subscribe(ch, order)?,
            "unsubscribe" => {
                self.subscriptions.remove(&ch).ok_or("no such subscription")?.abort();
            }
            "publish" => self.publish(n, &ch, order)?,
            "close" => {
                tokio::spawn(self.client.clone().close());
            }
            other => return Err(format!("no order: {other}").into()),
        }
        Ok(())
    }

    fn call(&mut self, n: u64, order: &Value) -> Result<(), Box<dyn Error>> {
        macro_rules! by_name {
            ($($name:literal $request:ty),+ $(,)?) => {
                match order["type"].as_str().unwrap_or_default() {
                    $($name => {
                        let mut call = self.client.call(payload::<$request>(order)?);
                        if let Some(ttl) = order["ttl_ms"].as_u64() {
                            call = call.timeout(Duration::from_millis(ttl));
                        }
                        if let Some(key) = order["key"].as_str() {
                            call = call.key(key);
                        }
                        self.run(n, async move { answer(n, call.await) });
                    })+
                    other => return Err(format!("no request: {other}").into()),
                }
            };
        }
        by_name!(
            "join" Join, "leave" Leave, "whisper" Whisper, "say" Say, "pin" Pin, "save" Save,
            "echo" Echo, "wait" Wait, "large" Large, "pay" Pay, "crash" Crash, "ask" Ask,
            "revoke" Revoke, "kick" Kick,
        );
        Ok(())
    }

    fn stream(&mut self, n: u64, order: &Value) -> Result<(), Box<dyn Error>> {
        let mut items = self.client.stream(payload::<History>(order)?);
        self.run(n, async move {
            while let Some(Ok(item)) = items.next().await {
                say(&json!({"n": n, "item": item}));
            }
            answer(n, items.finish().await);
        });
        Ok(())
    }

    fn upload(&mut self, n: u64, order: &Value) -> Result<(), Box<dyn Error>> {
        let mut upload = self.client.upload(payload::<Import>(order)?);
        let parts: Vec<Number> = serde_json::from_value(order["parts"].clone())?;
        self.run(n, async move {
            for part in &parts {
                // What went wrong is said by the end, too.
                if upload.send(part).await.is_err() {
                    break;
                }
            }
            answer(n, upload.finish().await);
        });
        Ok(())
    }

    fn subscribe(&mut self, ch: String, order: &Value) -> Result<(), Box<dyn Error>> {
        let since: Option<Position> = serde_json::from_value(order["since"].clone())?;
        let (kind, name) = ch.split_once('/').ok_or("no channel")?;
        let (name, client, told) = (name.to_owned(), &self.client, ch.clone());
        let task = match kind {
            "room" => {
                let made = client.subscribe_since(Room { name }, since);
                tokio::spawn(async move { listen(told, made.await, |_| None).await })
            }
            "typing" => {
                let made = client.subscribe_since(Typing { room: name }, since);
                tokio::spawn(async move { listen(told, made.await, |_| None).await })
            }
            _ => {
                let made = client.subscribe_since(Board { name }, since);
                tokio::spawn(async move {
                    listen(told, made.await, |it| {
                        it.snapshot().ok().flatten().map(|state| json!(state))
                    })
                    .await;
                })
            }
        };
        self.subscriptions.insert(ch, task.abort_handle());
        Ok(())
    }

    fn publish(&mut self, n: u64, ch: &str, order: &Value) -> Result<(), Box<dyn Error>> {
        let (kind, name) = ch.split_once('/').ok_or("no channel")?;
        let name = name.to_owned();
        let published = if kind == "room" {
            let text = order["payload"]["text"].as_str().unwrap_or_default().to_owned();
            self.client.publish(Room { name }, &RoomEvent::Said { text })
        } else {
            let who = order["payload"]["who"].as_str().unwrap_or_default().to_owned();
            self.client.publish(Typing { room: name }, &TypingEvent::Keys { who })
        };
        self.run(n, async move {
            match published.await {
                Ok(position) => say(&json!({"n": n, "published": position})),
                Err(error) => answer::<(), Never>(n, Err(error)),
            }
        });
        Ok(())
    }

    fn run(&mut self, n: u64, call: impl Future<Output = ()> + Send + 'static) {
        self.calls.insert(n, tokio::spawn(call).abort_handle());
    }
}

/// Says everything that a subscription gives, until it ends.
async fn listen<E, D, S>(
    ch: String,
    made: Result<Subscription<E, D, S>, SubscribeError>,
    mut state: impl FnMut(&mut Subscription<E, D, S>) -> Option<Value>,
) where
    E: EventSet,
    S: snapshot::Mode,
{
    let mut events = match made {
        Ok(events) => events,
        Err(SubscribeError::Refused(fault)) => {
            return say(&json!({"ch": ch, "refused": fault.code.name()}));
        }
        Err(error) => return say(&json!({"ch": ch, "refused": error.to_string()})),
    };
    say(&json!({"ch": ch, "subscribed": true}));
    loop {
        if let Some(state) = state(&mut events) {
            say(&json!({"ch": ch, "snapshot": state}));
        }
        let Some(item) = events.next().await else { return };
        match item {
            Ok(event) => {
                let payload: Value = event
                    .encode(Format::Json)
                    .and_then(|raw| Ok(raw.decode()?))
                    .unwrap_or_default();
                say(&json!({"ch": ch, "event": event.kind(), "payload": payload}));
            }
            Err(Gap::Resumed) => say(&json!({"ch": ch, "live": true})),
            Err(Gap::Restarted(_)) => match state(&mut events) {
                Some(state) => say(&json!({"ch": ch, "snapshot": state})),
                None => say(&json!({"ch": ch, "gap": true})),
            },
            Err(Gap::Ended(why)) => say(&json!({"ch": ch, "ended": why.code.name()})),
            Err(Gap::Refused(fault)) => say(&json!({"ch": ch, "ended": fault.code.name()})),
            Err(_) => say(&json!({"ch": ch, "gap": true})),
        }
    }
}

/// Says how a call ended.
fn answer<T: Serialize, E: Serialize + Debug>(n: u64, answer: Result<T, CallError<E>>) {
    let error = match answer {
        Ok(reply) => return say(&json!({"n": n, "ok": reply})),
        Err(CallError::Rejected(error)) => return say(&json!({"n": n, "err": error})),
        Err(error) => error,
    };
    let outcome = match error.outcome() {
        Outcome::NotSent => "not_sent",
        Outcome::NotProcessed => "not_processed",
        Outcome::Unknown => "unknown",
        Outcome::Processed => "processed",
    };
    let failed = match &error {
        CallError::Fault(fault, _) => {
            let fault = fault.code.name();
            return say(&json!({"n": n, "fault": fault, "outcome": outcome}));
        }
        CallError::Timeout(_) => "timeout",
        CallError::Disconnected(_) => "lost",
        CallError::Unsupported { .. } => "unsupported",
        _ => "undecodable",
    };
    say(&json!({"n": n, "failed": failed, "outcome": outcome}));
}

fn tell_state(state: &ConnState) {
    match state {
        ConnState::Ready { version } => say(&json!({"state": "ready", "version": version})),
        ConnState::Waiting { .. } => say(&json!({"state": "waiting"})),
        ConnState::Closed(error) => {
            let code = error.as_ref().and_then(|error| match error {
                ConnectError::Closed(closed) => Some(closed.code.0),
                ConnectError::Rejected(reject) => Some(reject.close.0),
                _ => None,
            });
            say(&json!({"state": "closed", "code": code}));
        }
        _ => {}
    }
}

fn payload<T: DeserializeOwned>(order: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(&order["payload"])
}

fn say(report: &Value) {
    println!("{report}");
}
