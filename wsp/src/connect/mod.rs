//! `wsp connect`: a session that somebody types into, or a script.

mod complete;
mod input;
mod line;

use crate::{
    ask::{CREDIT, NOT_OK, streams, value},
    conformance::block_on,
    contract::{Contract, unknown},
    documents::Failure,
    lasting::{Lasting, News},
    live::Door,
};
use clap::Args;
use input::{Input, Output, PROMPT};
use line::{WORDS, Wish, Wrong};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use ws_proto::{Address, Raw};
use ws_runtime::session::{Call, CallId, Command, Event, Outcome, Publish, Reply};

pub(crate) const AFTER_HELP: &str = "\
Exit codes:
  0  every answer was a success
  1  an answer was an error, or none came
  2  a line was wrong, or the connection could not be made or ended for good
  Somebody at a terminal gets 0, unless it is the connection.

Examples:
  wsp connect ws://127.0.0.1:3000/ws --token ann --contract schema/chat.json
  echo 'call join {\"room\":\"lobby\"}' | wsp connect ws://127.0.0.1:3000/ws --token ann";

/// A line was wrong.
const NOT_DONE: u8 = 2;

/// Talk with a server: lines are commands, `help` lists them. At a terminal with completion and
/// history; in a pipe each line waits for the answer of the one before.
#[derive(Debug, Args)]
pub(crate) struct Connect {
    #[command(flatten)]
    door: Door,
    /// How long an answer is worth waiting for, in milliseconds.
    #[arg(long, default_value_t = 30_000, value_name = "MS")]
    timeout: u64,
    /// Send what is wrong by the contract, too. It still completes and explains.
    #[arg(long)]
    no_check: bool,
    /// In a pipe: do not wait for the answer of one line before the next.
    #[arg(long)]
    at_once: bool,
    /// Where lines are kept for the next time; nowhere if nothing is said.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

impl Connect {
    /// Runs until the input ends and every answer is there, or somebody quits.
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let known = self.door.known()?.map(Arc::new);
        block_on(async {
            let live = Lasting::open(self.door.clone(), known.as_deref()).await?;
            let (input, output) = input::open(known.clone(), self.history.as_deref())?;
            let mut talk = Talk::new(self, known, live, output);
            let talked = talk.talk(input).await;
            talk.live.close().await;
            talked.map(|()| if talk.output.is_terminal() { 0 } else { talk.code })
        })?
    }
}

/// A session, and what of it is not answered yet.
struct Talk<'a> {
    asked: &'a Connect,
    known: Option<Arc<Contract>>,
    live: Lasting,
    output: Output,
    /// The calls and publishes without an answer, by number, with their type.
    calls: BTreeMap<u64, String>,
    n: u64,
    /// The channels that are asked for, or left, and not answered.
    asking: BTreeSet<Address>,
    /// Lines that were read.
    lines: u64,
    /// Events that no `wait` has counted.
    events: u64,
    waiting: Option<(u64, Instant)>,
    code: u8,
}

impl<'a> Talk<'a> {
    fn new(
        asked: &'a Connect,
        known: Option<Arc<Contract>>,
        live: Lasting,
        output: Output,
    ) -> Self {
        Self {
            asked,
            known,
            live,
            output,
            calls: BTreeMap::new(),
            n: 0,
            asking: BTreeSet::new(),
            lines: 0,
            events: 0,
            waiting: None,
            code: 0,
        }
    }

    async fn talk(&mut self, mut input: Input) -> Result<(), Failure> {
        self.print_connected(false)?;
        if self.output.is_terminal() {
            self.output.line("`help` lists what can be typed; ctrl-D ends")?;
        }
        let mut has_ended = false;
        while !has_ended || !self.is_answered() || self.waiting.is_some() {
            let takes_lines = !has_ended && self.takes_lines();
            let until = self.waiting.map_or_else(Instant::now, |(_, until)| until);
            tokio::select! {
                line = input.next(), if takes_lines => match line {
                    Some(line) if !self.take(&line)? => return Ok(()),
                    Some(_) => input.go_on(),
                    None => has_ended = true,
                },
                news = self.live.next() => self.hear(news)?,
                () = sleep_until(until), if self.waiting.is_some() => {
                    self.waiting = None;
                    let (column, what) = (1, "the events did not come in time".to_owned());
                    let code = self.code.max(NOT_OK);
                    self.say_wrong(&Wrong { column, what })?;
                    self.code = code;
                }
            }
        }
        Ok(())
    }

    fn takes_lines(&mut self) -> bool {
        let is_free = self.output.is_terminal() || self.asked.at_once || self.is_answered();
        is_free && self.waiting.is_none() && self.live.live().has_room()
    }

    fn is_answered(&self) -> bool {
        self.calls.is_empty() && self.asking.is_empty()
    }

    /// Does what a line says; false where it was the last.
    fn take(&mut self, line: &str) -> Result<bool, Failure> {
        self.lines += 1;
        let checked = self.known.as_deref().filter(|_| !self.asked.no_check);
        let wish = match line::read(line, checked) {
            Ok(Wish::Quit) => return Ok(false),
            Ok(wish) => wish,
            Err(wrong) => return self.say_wrong(&wrong).map(|()| true),
        };
        let column = 1 + line.chars().take_while(|letter| letter.is_whitespace()).count();
        match self.wish(wish) {
            Err(Failure::Live(what)) => self.say_wrong(&Wrong { column, what })?,
            done => done?,
        }
        Ok(true)
    }

    fn wish(&mut self, wish: Wish) -> Result<(), Failure> {
        match wish {
            Wish::Nothing | Wish::Quit => Ok(()),
            Wish::Call(kind, payload) => self.call(kind, &payload),
            Wish::Cancel(n) if self.calls.contains_key(&n) => self.tell(Command::Cancel(CallId(n))),
            Wish::Cancel(n) => Err(Failure::Live(format!("no call {n} waits for its answer"))),
            Wish::Subscribe(address, since) => {
                self.tell(Command::Subscribe(address.clone(), since))?;
                self.asking.insert(address);
                Ok(())
            }
            Wish::Unsubscribe(address) => {
                self.tell(Command::Unsubscribe(address.clone()))?;
                self.asking.insert(address);
                Ok(())
            }
            Wish::Publish(address, kind, payload) => self.publish(address, kind, &payload),
            Wish::Wait(n) => {
                self.waiting = Some((n, Instant::now() + self.timeout()));
                self.counted();
                Ok(())
            }
            Wish::Contract(name) => self.explain(name.as_deref()),
            Wish::Help => self.say_help(),
        }
    }

    fn call(&mut self, kind: String, payload: &Value) -> Result<(), Failure> {
        let call = Call {
            call: CallId(self.n + 1),
            kind: kind.clone().into(),
            payload: self.encoded(payload)?,
            ttl: Some(self.timeout()),
            key: None,
            versions: (1, None),
            credit: if streams(self.known.as_deref(), &kind) { CREDIT } else { 0 },
        };
        self.tell(Command::Call(Box::new(call)))?;
        self.sent(kind);
        Ok(())
    }

    fn publish(&mut self, address: Address, kind: String, payload: &Value) -> Result<(), Failure> {
        let publish = Publish {
            call: CallId(self.n + 1),
            address,
            kind: kind.clone().into(),
            payload: self.encoded(payload)?,
            ttl: Some(self.timeout()),
            key: None,
        };
        self.tell(Command::Publish(Box::new(publish)))?;
        self.sent(kind);
        Ok(())
    }

    /// The number that the answer has.
    fn sent(&mut self, kind: String) {
        self.n += 1;
        self.calls.insert(self.n, kind);
    }

    fn encoded(&self, payload: &Value) -> Result<Raw, Failure> {
        let payload = Raw::encode(self.asked.door.format(), payload);
        payload.map_err(|error| Failure::Live(error.to_string()))
    }

    fn tell(&mut self, command: Command) -> Result<(), Failure> {
        self.live.live().tell(command)
    }

    const fn timeout(&self) -> Duration {
        Duration::from_millis(self.asked.timeout)
    }

    fn hear(&mut self, news: News) -> Result<(), Failure> {
        match news {
            News::Event(event) => self.event(event),
            News::Away(failure, None) => Err(failure),
            News::Away(failure, Some(delay)) => {
                let again = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                self.print(&json!({ "lost": failure.to_string(), "again_ms": again }))
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Welcome(welcome) => self.print_connected(welcome.session.resumed),
            Event::Item(CallId(n), item) => {
                let kind = self.calls.get(&n).cloned().unwrap_or_default();
                self.print(&json!({ "call": n, "type": kind, "item": value(&item)? }))?;
                self.tell(Command::Credit(CallId(n), 1))
            }
            Event::Answered(CallId(n), reply) => self.answered(n, reply),
            Event::Delivered(event) => {
                let (channel, kind) = (event.address.as_str(), event.kind.to_string());
                let payload = value(&event.payload)?;
                let mut line = json!({ "channel": channel, "type": kind, "payload": payload });
                if let Some(off) = event.off {
                    line["off"] = json!(off);
                    self.tell(Command::Consumed(event.address.clone(), off))?;
                }
                self.events += 1;
                self.print(&line)?;
                self.counted();
                Ok(())
            }
            Event::Snapshot(address, state) => self.of(&address, "snapshot", &value(&state)?),
            Event::Subscribed(address, done) => {
                self.asking.remove(&address);
                self.of(&address, "subscribed", &json!(done))
            }
            Event::NotSubscribed(address, fault) => {
                self.asking.remove(&address);
                self.code = self.code.max(NOT_OK);
                self.of(&address, "refused", &json!(fault))
            }
            Event::Gap(address, gap) => self.of(&address, "gap", &json!(gap)),
            Event::Live(address, off) => self.of(&address, "live", &json!(off)),
            Event::Unsubscribed(address) => {
                // A session that is lost leaves its channels, and asks for them again.
                if self.asking.remove(&address) {
                    return self.of(&address, "unsubscribed", &json!(true));
                }
                Ok(())
            }
            Event::SubscriptionEnded(address, why) => {
                self.asking.remove(&address);
                self.code = self.code.max(NOT_OK);
                self.of(&address, "ended", &json!(why))
            }
            Event::NotRenewed(fault) => self.print(&json!({ "not_renewed": fault })),
            _ => Ok(()),
        }
    }

    fn answered(&mut self, n: u64, reply: Reply) -> Result<(), Failure> {
        let kind = self.calls.remove(&n).unwrap_or_default();
        let (name, answer, outcome) = match reply {
            Reply::Ok(payload) => ("ok", value(&payload)?, None),
            Reply::Published(done) => ("ok", json!(done), None),
            Reply::Err(payload) => ("err", value(&payload)?, None),
            Reply::Fault(fault, outcome) => ("fault", json!(fault), Some(outcome)),
            Reply::Timeout(outcome) => ("timeout", json!(self.asked.timeout), Some(outcome)),
            Reply::Lost(outcome) => ("lost", json!("the session"), Some(outcome)),
            Reply::Unsupported { negotiated } => ("unsupported", json!(negotiated), None),
        };
        if name != "ok" {
            self.code = self.code.max(NOT_OK);
        }
        let mut line = json!({ "call": n, "type": kind, name: answer });
        if let Some(outcome) = outcome {
            line["outcome"] = json!(word(outcome));
        }
        self.print(&line)
    }

    /// Whether the events that are waited for have come.
    fn counted(&mut self) {
        if let Some((n, _)) = self.waiting.filter(|(n, _)| self.events >= *n) {
            self.events -= n;
            self.waiting = None;
        }
    }

    fn print_connected(&mut self, is_resumed: bool) -> Result<(), Failure> {
        let protocol = self.live.protocol();
        let welcome = self.live.live().welcome();
        let version = welcome.map(|welcome| welcome.version);
        let session = welcome.map(|welcome| welcome.session.id.clone());
        let line = json!({ "protocol": protocol, "version": version, "session": session,
            "resumed": is_resumed });
        self.print(&json!({ "connected": line }))
    }

    fn of(&mut self, address: &Address, name: &str, what: &Value) -> Result<(), Failure> {
        self.print(&json!({ "channel": address.as_str(), name: what }))
    }

    fn print(&mut self, line: &Value) -> Result<(), Failure> {
        self.output.line(&line.to_string())
    }

    /// At a terminal under the place of the line above, elsewhere with the line's number.
    fn say_wrong(&mut self, wrong: &Wrong) -> Result<(), Failure> {
        if self.output.is_terminal() {
            let indent = " ".repeat(PROMPT.len() + wrong.column - 1);
            return self.output.line(&format!("{indent}^ {}", wrong.what));
        }
        eprintln!("wsp: line {}, {wrong}", self.lines);
        self.code = NOT_DONE;
        Ok(())
    }

    fn say_help(&mut self) -> Result<(), Failure> {
        for (word, rest, what) in WORDS {
            self.output.line(&format!("{:<29}{what}", format!("{word} {rest}")))?;
        }
        Ok(())
    }

    /// The names of a contract, or what one of them takes.
    fn explain(&mut self, name: Option<&str>) -> Result<(), Failure> {
        let Some(known) = self.known.clone() else {
            return Err(Failure::Live("there is no contract: begin with `--contract FILE`".into()));
        };
        let Some(name) = name else {
            let requests: Vec<&str> = known.requests().map(|(name, _)| name).collect();
            let addresses = known.channels().map(|(_, channel)| channel.get("address"));
            let channels: Vec<_> = addresses.collect();
            return self.print(&json!({ "requests": requests, "channels": channels }));
        };
        let mut all = known.requests().chain(known.channels());
        let Some((_, facts)) = all.find(|(known, _)| *known == name) else {
            let names = known.requests().chain(known.channels()).map(|(name, _)| name.to_owned());
            return Err(Failure::Live(unknown("request or channel", name, names)));
        };
        let definition = |of: &str| known.definition(facts.get(of)?.as_str()?).cloned();
        let parts = ["payload", "reply", "error", "stream"];
        let mut line = json!({ "name": name, "facts": facts });
        for (part, schema) in parts.map(|part| (part, definition(part))) {
            if let Some(schema) = schema {
                line[part] = schema;
            }
        }
        self.print(&line)
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotSent => "not_sent",
        Outcome::NotProcessed => "not_processed",
        Outcome::Unknown => "unknown",
        Outcome::Processed => "processed",
    }
}
