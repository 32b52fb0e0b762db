//! Plays only the applications of a transcript, over connections that are cut, and gives what the
//! applications were told.

use super::{
    application::{acceptance, command},
    contract::chat,
    run::{WALL_MS, set},
    tell::tell,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use ws_conformance::transcript::{Block, Short, Step, Who};
use ws_proto::{CloseCode, Envelope, Format, IdSource, frame::Hello};
use ws_runtime::session::{
    Command, Config, Delivery, Event, Resumption, Session, Side, Time, Transmit,
};

/// Where and how connections are cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut {
    /// The messages that are lost, counted over all connections; each takes its connection along.
    pub(crate) at: Vec<usize>,
    /// Both sides have sent everything that they had, and all of it is lost.
    pub(crate) flushes: bool,
    /// Only the client notices; the server learns of it by the next connection.
    pub(crate) takes_over: bool,
}

/// What the applications were told, by what it was about, and how many messages travelled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// By side and channel; what is about no channel stands together.
    pub(crate) events: BTreeMap<String, Vec<String>>,
    /// The last position that the server's application was told to be consumed, by channel.
    pub(crate) consumed: BTreeMap<String, u64>,
    /// Best-effort channels with events that nobody knows of.
    pub(crate) missed: Vec<String>,
    /// How many messages travelled or were lost.
    pub(crate) messages: usize,
}

/// Plays the applications of a block; the error names file and line.
pub(crate) fn cut_block(block: &Block, format: Format, cut: &Cut) -> Result<Told, String> {
    let mut room = Room::new(format, cut);
    for line in &block.lines {
        let step = line.step().and_then(|step| room.step(step));
        step.map_err(|error| format!("{}:{}: {error}", block.file, line.number))?;
    }
    // Acknowledgements that wait come, too.
    room.wait(room.now + std::time::Duration::from_secs(1))?;
    room.told.messages = room.carried;
    Ok(room.told)
}

struct Room<'a> {
    format: Format,
    cut: &'a Cut,
    now: Time,
    configs: [Config; 2],
    client: Session,
    server: Session,
    /// The session that greets a client who comes back.
    fresh: Option<Session>,
    ids: IdSource,
    sessions: u64,
    hello: Option<Command>,
    is_connected: bool,
    stage: Stage,
    /// What a hub would send again, until it is consumed.
    log: Vec<(String, Command)>,
    carried: usize,
    told: Told,
}

/// How far the first handshake came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    New,
    /// The client's hello waits for the transcript to accept it.
    Greeted,
    Accepted,
    Welcomed,
}

impl<'a> Room<'a> {
    fn new(format: Format, cut: &'a Cut) -> Self {
        let config = |side, seed| {
            let mut config = Config::new(chat(side));
            config.wall_ms = WALL_MS;
            config.seed = seed;
            config
        };
        let configs = [config(Side::Client, 1), config(Side::Server, 2)];
        Self {
            format,
            cut,
            now: Time::ZERO,
            client: Session::new(Side::Client, configs[0].clone(), Time::ZERO),
            server: Session::new(Side::Server, configs[1].clone(), Time::ZERO),
            configs,
            fresh: None,
            ids: IdSource::new(0),
            sessions: 2,
            hello: None,
            is_connected: false,
            stage: Stage::New,
            log: Vec::new(),
            carried: 0,
            told: Told::default(),
        }
    }

    /// Frames and events are not compared with the transcript here: only what the applications do
    /// counts, and the time.
    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Config(who, name, value) => {
                let side = usize::from(who != Who::C);
                set(&mut self.configs[side], &name, value)?;
                self.client = Session::new(Side::Client, self.configs[0].clone(), self.now);
                self.server = self.new_server();
            }
            Step::Command(Who::C, short) => self.command_client(&short)?,
            Step::Command(Who::S, short) => self.command_server(&short)?,
            Step::Wait(time) => self.wait(self.now + time)?,
            Step::Lost(_) => {
                self.pump()?;
                self.lose();
            }
            Step::Command(Who::P, _) | Step::Misuse(..) | Step::Frame(..) | Step::Event(..) => {}
            Step::Peer(_) | Step::Raw(..) | Step::Breaks(..) | Step::Full(..) | Step::Asleep(_) => {
                return Err("not for cuts: name the page in the list".to_owned());
            }
        }
        self.pump()
    }

    fn command_client(&mut self, short: &Short) -> Result<(), String> {
        let command = command(Who::C, short, self.format, &mut self.ids)?;
        if matches!(command, Command::Connect(_)) {
            self.hello = Some(command);
            return self.connect();
        }
        self.client.handle_command(command, self.now).map_err(|misuse| misuse.to_string())
    }

    fn command_server(&mut self, short: &Short) -> Result<(), String> {
        match short.first() {
            "accept" if self.stage < Stage::Accepted => {
                if self.stage != Stage::Greeted {
                    return Err("no hello came".to_owned());
                }
                self.stage = Stage::Accepted;
                let accept = Command::Accept(Box::new(self.acceptance()?));
                self.server.handle_command(accept, self.now).map_err(|misuse| misuse.to_string())
            }
            // The room decides by itself about every hello but the first.
            "accept" | "resume" => Ok(()),
            first => {
                let command = command(Who::S, short, self.format, &mut self.ids)?;
                if matches!(first, "deliver" | "gap" | "live") {
                    self.log.push((short.at(1)?.to_owned(), command.clone()));
                }
                if first == "end" {
                    self.forget(short.at(1)?);
                }
                self.server.handle_command(command, self.now).map_err(|misuse| misuse.to_string())
            }
        }
    }

    fn connect(&mut self) -> Result<(), String> {
        let hello = self.hello.clone().ok_or("the transcript never connected")?;
        self.client.handle_command(hello, self.now).map_err(|misuse| misuse.to_string())?;
        self.is_connected = true;
        let server = self.new_server();
        if self.stage < Stage::Accepted {
            self.server = server;
            self.stage = Stage::New;
        } else {
            self.fresh = Some(server);
        }
        Ok(())
    }

    /// Carries messages and tells events until neither side has any.
    fn pump(&mut self) -> Result<(), String> {
        loop {
            self.tell_client();
            self.tell_server()?;
            let mut is_quiet = true;
            for who in [Who::C, Who::S] {
                let Some(message) = self.transmit(who)? else { continue };
                is_quiet = false;
                self.carried += 1;
                if self.cut.at.contains(&(self.carried - 1)) {
                    self.lose();
                    self.connect()?;
                    break;
                }
                let envelope = Envelope::decode(self.format, &message);
                let envelope = envelope.map_err(|error| error.to_string())?;
                let now = self.now;
                self.receiver(who.other()).handle_frame(envelope, now);
            }
            if is_quiet {
                return Ok(());
            }
        }
    }

    fn transmit(&mut self, who: Who) -> Result<Option<Bytes>, String> {
        if !self.is_connected {
            return Ok(None);
        }
        let (format, now) = (self.format, self.now);
        Ok(match self.receiver(who).poll_transmit(now) {
            None => None,
            Some(Transmit::Shared(publication)) => Some(publication.bytes(format).clone()),
            Some(Transmit::Batch(_)) => return Err("transcripts deliver one by one".to_owned()),
            Some(Transmit::Envelope(envelope)) => {
                let mut message = Vec::new();
                envelope.encode(format, &mut message).map_err(|error| error.to_string())?;
                Some(message.into())
            }
        })
    }

    /// The session that has the connection.
    fn receiver(&mut self, who: Who) -> &mut Session {
        match who {
            Who::C => &mut self.client,
            Who::S | Who::P => self.fresh.as_mut().unwrap_or(&mut self.server),
        }
    }

    fn lose(&mut self) {
        if self.cut.flushes {
            let now = self.now;
            while self.client.poll_transmit(now).is_some() {}
            while self.receiver(Who::S).poll_transmit(now).is_some() {}
        }
        self.is_connected = false;
        self.fresh = None;
        let lost = Command::Disconnected(None, "lost".to_owned());
        let mut losers = vec![&mut self.client];
        if !self.cut.takes_over {
            losers.push(&mut self.server);
        }
        for session in losers {
            session.handle_command(lost.clone(), self.now).expect("a loss is no misuse");
        }
        self.tell_client();
    }

    fn tell_client(&mut self) {
        while let Some(event) = self.client.poll_event() {
            if matches!(event, Event::Welcome(_)) {
                self.stage = Stage::Welcomed;
            }
            self.note(Who::C, &event);
        }
    }

    fn tell_server(&mut self) -> Result<(), String> {
        while let Some(event) = self.server.poll_event() {
            match &event {
                Event::Hello(..) => self.stage = Stage::Greeted,
                Event::Unsubscribe(address) => self.forget(address.as_str()),
                Event::Consumed(address, off) => {
                    self.log.retain(|(channel, command)| {
                        channel != address.as_str() || reaches(command) > *off
                    });
                }
                _ => {}
            }
            self.note(Who::S, &event);
        }
        if let Some(mut fresh) = self.fresh.take() {
            match fresh.poll_event() {
                Some(Event::Hello(hello, version)) => self.greet(*hello, version, fresh)?,
                Some(other) => return Err(format!("no hello but {other:?}")),
                None => self.fresh = Some(fresh),
            }
        }
        Ok(())
    }

    /// The server hands a new connection to the session that it kept.
    fn greet(&mut self, hello: Hello, version: u32, mut fresh: Session) -> Result<(), String> {
        let acceptance = self.acceptance()?;
        let Some(resume) = hello.resume else {
            if self.stage == Stage::Welcomed {
                return Err("the client did not ask for its session".to_owned());
            }
            let accept = Command::Accept(Box::new(acceptance));
            fresh.handle_command(accept, self.now).map_err(|misuse| misuse.to_string())?;
            self.server = fresh;
            return Ok(());
        };
        let taken = Command::Close(CloseCode(4700), "taken over".to_owned());
        self.server.handle_command(taken, self.now).map_err(|misuse| misuse.to_string())?;
        while self.server.poll_transmit(self.now).is_some() {}
        while let Some(event) = self.server.poll_event() {
            self.note(Who::S, &event);
        }
        let recv = resume.recv;
        self.server.can_resume(version, recv).map_err(|why| format!("not resumed: {why:?}"))?;
        let limits = hello.limits;
        let resume = Command::Resume(Box::new(Resumption { acceptance, recv, limits }));
        self.server.handle_command(resume, self.now).map_err(|misuse| misuse.to_string())?;
        let subscriptions = self.server.subscriptions();
        for (channel, command) in self.log.clone() {
            if subscriptions.iter().any(|address| address.as_str() == channel) {
                let told = self.server.handle_command(command, self.now);
                told.map_err(|misuse| misuse.to_string())?;
            }
        }
        Ok(())
    }

    fn note(&mut self, who: Who, event: &Event) {
        let short = tell(event);
        let channel = match event {
            Event::Hello(..) | Event::Welcome(_) | Event::Closed(_) => return,
            Event::Consumed(address, off) => {
                let last = self.told.consumed.entry(address.to_string()).or_default();
                *last = (*last).max(*off);
                return;
            }
            Event::Gap(address, gap) if gap.until.is_none() && gap.dropped.is_none() => {
                self.told.missed.push(address.to_string());
                return;
            }
            Event::Subscribe(_, address, _)
            | Event::Unsubscribe(address)
            | Event::Snapshot(address, _)
            | Event::Subscribed(address, _)
            | Event::NotSubscribed(address, _)
            | Event::Gap(address, _)
            | Event::Live(address, _)
            | Event::Unsubscribed(address)
            | Event::SubscriptionEnded(address, _) => address.as_str(),
            Event::Delivered(delivered) => delivered.address.as_str(),
            _ => "calls",
        };
        let told = self.told.events.entry(format!("{who:?} {channel}")).or_default();
        let said = short.to_string();
        // The end of a replay is told again when the replay was.
        if !(matches!(event, Event::Live(..)) && told.contains(&said)) {
            told.push(said);
        }
    }

    fn wait(&mut self, until: Time) -> Result<(), String> {
        self.pump()?;
        while let Some(due) = self.due().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.time_passed()?;
        }
        self.now = until;
        self.time_passed()
    }

    fn due(&self) -> Option<Time> {
        let fresh = self.fresh.as_ref().and_then(Session::poll_timeout);
        [self.client.poll_timeout(), self.server.poll_timeout(), fresh].into_iter().flatten().min()
    }

    fn time_passed(&mut self) -> Result<(), String> {
        let now = self.now;
        self.client.handle_timeout(now);
        self.server.handle_timeout(now);
        if let Some(fresh) = &mut self.fresh {
            fresh.handle_timeout(now);
        }
        self.pump()
    }

    fn forget(&mut self, channel: &str) {
        self.log.retain(|(other, _)| other != channel);
    }

    fn acceptance(&mut self) -> Result<ws_runtime::session::Acceptance, String> {
        self.sessions += 1;
        let name = self.sessions.to_string();
        acceptance(&Short::of(["accept"]), name.clone(), name)
    }

    fn new_server(&mut self) -> Session {
        self.sessions += 1;
        self.configs[1].seed = self.sessions;
        Session::new(Side::Server, self.configs[1].clone(), self.now)
    }
}

/// The position after a delivery.
fn reaches(command: &Command) -> u64 {
    let Command::Deliver(_, delivery) = command else { return 0 };
    match delivery {
        Delivery::Kept(event) => event.head.off.unwrap_or_default(),
        Delivery::Gap(gap) => gap.until.unwrap_or_default(),
        Delivery::Live(off) => *off,
        Delivery::KeptBatch(_) | Delivery::PassingBatch(_) | Delivery::Passing(_) => 0,
    }
}
