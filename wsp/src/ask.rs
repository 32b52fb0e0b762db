//! `wsp call` and `wsp tail`: one request, or the events of one channel.

use crate::{
    conformance::block_on,
    contract::{Contract, check_request},
    documents::{self, Failure},
    live::{Door, Live, ended},
};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;
use ws_proto::{Address, Position, Raw};
use ws_runtime::session::{Call, CallId, Command, Event, Reply};

/// The answer is an error, or none came.
pub(crate) const NOT_OK: u8 = 1;
/// Items that may be on their way.
pub(crate) const CREDIT: u32 = 32;

/// Ask one request, and print its items and its answer: one JSON value on each line.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    door: Door,
    /// The request: `join`.
    kind: String,
    /// Its payload.
    #[arg(default_value = "{}", value_name = "JSON")]
    payload: String,
    /// How long the answer is worth waiting for, in milliseconds.
    #[arg(long, default_value_t = 30_000, value_name = "MS")]
    timeout: u64,
    /// The idempotency key.
    #[arg(long)]
    key: Option<String>,
}

/// Print the events of one channel, as they come: one JSON object on each line.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    door: Door,
    /// The channel's address: `room/lobby`.
    channel: String,
    /// Begin after this position, written `EPOCH:OFF`.
    #[arg(long)]
    since: Option<String>,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    count: Option<usize>,
}

impl Ask {
    /// Asks. The exit code is 0 for a success, 1 for an error or no answer, 2 where nothing was
    /// asked.
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let known = self.door.known()?;
        let payload: Value = serde_json::from_str(&self.payload)
            .map_err(|error| Failure::Json("the payload".to_owned(), error))?;
        if let Some(known) = &known {
            check_request(known, &self.kind, &payload)?;
        }
        block_on(self.ask(known.as_ref(), &payload))?
    }

    async fn ask(&self, known: Option<&Contract>, payload: &Value) -> Result<u8, Failure> {
        let mut live = self.door.open(known).await?;
        let payload = Raw::encode(self.door.format(), payload);
        let payload = payload.map_err(|error| Failure::Live(error.to_string()))?;
        // Credit for a request that does not stream is ignored.
        let call = Call {
            call: CallId(1),
            kind: self.kind.clone().into(),
            payload,
            ttl: Some(Duration::from_millis(self.timeout)),
            key: self.key.clone().map(Into::into),
            versions: (1, None),
            credit: if streams(known, &self.kind) { CREDIT } else { 0 },
        };
        live.tell(Command::Call(Box::new(call)))?;
        let code = loop {
            match live.next().await {
                Event::Item(call, item) => {
                    print(&value(&item)?)?;
                    live.tell(Command::Credit(call, 1))?;
                }
                Event::Answered(_, reply) => break answered(reply)?,
                Event::Closed(closed) => return Err(ended(&closed)),
                _ => {}
            }
        };
        live.close().await;
        Ok(code)
    }
}

impl Tail {
    /// Listens until the connection ends, or `--count` events came.
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let known = self.door.known()?;
        let address = Address::parse(self.channel.as_str())
            .map_err(|error| Failure::Live(format!("`{}`: {error}", self.channel)))?;
        let since = self.since.as_deref().map(position).transpose()?;
        block_on(async {
            let live = self.door.open(known.as_ref()).await?;
            self.listen(live, address, since).await
        })?
    }

    async fn listen(
        &self,
        mut live: Live,
        address: Address,
        since: Option<Position>,
    ) -> Result<u8, Failure> {
        live.tell(Command::Subscribe(address, since))?;
        let mut left = self.count;
        while left != Some(0) {
            match live.next().await {
                Event::Subscribed(_, done) => print(&json!({"subscribed": done}))?,
                Event::Snapshot(_, state) => print(&json!({"snapshot": value(&state)?}))?,
                Event::Delivered(event) => {
                    let (kind, off) = (event.kind.to_string(), event.off);
                    let payload = value(&event.payload)?;
                    print(&json!({"type": kind, "off": off, "payload": payload}))?;
                    if let Some(off) = off {
                        live.tell(Command::Consumed(event.address.clone(), off))?;
                    }
                    left = left.map(|left| left - 1);
                }
                Event::Gap(_, gap) => print(&json!({"gap": gap}))?,
                Event::Live(_, off) => print(&json!({"live": off}))?,
                Event::NotSubscribed(_, fault) => {
                    eprintln!("wsp: the server refused: {fault}");
                    return Ok(NOT_OK);
                }
                Event::SubscriptionEnded(_, why) => {
                    eprintln!("wsp: the server ended it: {}", why.reason);
                    return Ok(NOT_OK);
                }
                Event::Closed(closed) => return Err(ended(&closed)),
                _ => {}
            }
        }
        live.close().await;
        Ok(0)
    }
}

/// Prints the answer; the exit code that it stands for.
fn answered(reply: Reply) -> Result<u8, Failure> {
    match reply {
        Reply::Ok(payload) => {
            print(&value(&payload)?)?;
            return Ok(0);
        }
        Reply::Err(payload) => print(&json!({"err": value(&payload)?}))?,
        Reply::Fault(fault, outcome) => eprintln!("wsp: {fault} (outcome: {outcome:?})"),
        Reply::Timeout(outcome) => eprintln!("wsp: no answer in time (outcome: {outcome:?})"),
        other => eprintln!("wsp: no answer: {other:?}"),
    }
    Ok(NOT_OK)
}

/// Whether a request sends items, as far as is known.
pub(crate) fn streams(known: Option<&Contract>, kind: &str) -> bool {
    known.is_none_or(|it| it.request(kind).is_ok_and(|it| it.get("stream").is_some()))
}

pub(crate) fn position(text: &str) -> Result<Position, Failure> {
    let wrong = || Failure::Live(format!("`{text}` is no position: write EPOCH:OFF"));
    let (epoch, off) = text.rsplit_once(':').ok_or_else(wrong)?;
    Ok(Position { epoch: epoch.to_owned(), off: off.parse().map_err(|_| wrong())? })
}

pub(crate) fn value(raw: &Raw) -> Result<Value, Failure> {
    raw.decode().map_err(|error| Failure::Live(format!("the server's payload: {error}")))
}

fn print(value: &Value) -> Result<(), Failure> {
    documents::write(None, &format!("{value}\n"))
}
