//! The runner: two ends, the frames between them, and the time.

use super::{
    application::{acceptance, command},
    contract::chat,
    tell::tell,
};
use bytes::Bytes;
use std::time::Duration;
use ws_conformance::transcript::{
    Block, Labels, Short, Step, Who, build, compare, describe, is_sequenced,
};
use ws_proto::{Envelope, Format, Frame, IdSource, frame::Hello};
use ws_runtime::session::{
    Acceptance, Command, Config, Event, PeerFault, Resumption, Session, Side, Time, Transmit,
};

/// The wall clock at the start of every block.
pub(crate) const WALL_MS: u64 = 1_700_000_000_000;

/// Runs one block; the error names file and line, what was expected, and what came.
pub(crate) fn run_block(block: &Block, format: Format) -> Result<(), String> {
    let mut room = Room::new(format);
    for line in &block.lines {
        let told = line.step().and_then(|step| room.step(step));
        told.map_err(|error| format!("{}:{}: {}\n  {error}", block.file, line.number, line.text))?;
    }
    let last = block.lines.last().map_or(0, |line| line.number);
    room.expect_quiet().map_err(|error| format!("{}:{last}: at the end: {error}", block.file))
}

/// Two ends and what is between them.
struct Room {
    format: Format,
    now: Time,
    client: End,
    server: End,
    /// The server's session of the connection before.
    previous: End,
    /// What the client said to the server's session.
    hello: Option<(Box<Hello>, u32)>,
    /// The id of the session that the last welcome named, and how many tickets there were.
    session: u64,
    tickets: u64,
    labels: Labels,
    ids: IdSource,
    seed: u64,
}

/// One end: a session, or the script.
struct End {
    config: Config,
    session: Option<Session>,
    /// The place of the last frame that the script sent.
    last_seq: u64,
    is_full: bool,
}

impl Room {
    fn new(format: Format) -> Self {
        let mut room = Self {
            format,
            now: Time::ZERO,
            client: End::new(Side::Client),
            server: End::new(Side::Server),
            previous: End::new(Side::Server),
            hello: None,
            session: 0,
            tickets: 0,
            labels: Labels::new(),
            ids: IdSource::new(0),
            seed: 0,
        };
        room.renew(Who::C);
        room.renew(Who::S);
        room
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Frame(who, short, arrives) if self.end(who).session.is_some() => {
                return self.expect_frame(who, &short, arrives);
            }
            Step::Event(who, short) => return self.expect_event(who, &short),
            Step::Full(who, is_full) => {
                self.end(who).is_full = is_full;
                return Ok(());
            }
            _ => {}
        }
        self.expect_quiet()?;
        match step {
            Step::Peer(who) => self.end(who).session = None,
            Step::Config(who, name, value) => {
                set(&mut self.end(who).config, &name, value)?;
                self.renew(who);
            }
            Step::Frame(who, short, _) => self.send_typed(who, &short)?,
            Step::Raw(who, text) => self.carry(who.other(), &text.into()),
            Step::Breaks(who, rule) => {
                let fault = match &*rule {
                    "too_large" => PeerFault::TooLarge,
                    "wrong_format" => PeerFault::WrongFormat,
                    _ => return Err(format!("`{rule}`: too_large or wrong_format")),
                };
                let now = self.now;
                if let Some(session) = &mut self.end(who.other()).session {
                    session.handle_fault(fault, now);
                }
            }
            Step::Command(who, short) => {
                self.command(who, &short)?.map_err(|misuse| format!("misuse: {misuse}"))?;
            }
            Step::Misuse(who, short) => {
                if self.command(who, &short)?.is_ok() {
                    return Err("the session took it".to_owned());
                }
            }
            Step::Wait(time) => self.wait(self.now + time)?,
            Step::Asleep(time) => {
                self.now = self.now + time;
                self.time_passed();
            }
            Step::Lost(who) => self.lose(who),
            // Answered above.
            Step::Event(..) | Step::Full(..) => {}
        }
        Ok(())
    }

    /// A session sends what is shown, and nothing else.
    fn expect_frame(&mut self, who: Who, short: &Short, arrives: bool) -> Result<(), String> {
        let message = self.transmit(who)?.ok_or("nothing was sent")?;
        let envelope = self.decode(&message)?;
        compare(short, &envelope, &mut self.labels)
            .map_err(|error| format!("{error}\n  sent: {}", describe(&envelope)))?;
        if arrives {
            self.carry(who.other(), &message);
        }
        Ok(())
    }

    fn expect_event(&mut self, who: Who, short: &Short) -> Result<(), String> {
        let event = self.event(who)?.ok_or("nothing was told")?;
        let told = tell(&event);
        if let Event::Hello(hello, version) = event {
            self.hello = Some((hello, version));
        }
        let same_value = short.json.is_none() || short.json == told.json;
        if short.words == told.words && same_value { Ok(()) } else { Err(format!("told: {told}")) }
    }

    /// The next event of a session. What a call ends with may become certain only when it is about
    /// to leave.
    fn event(&mut self, who: Who) -> Result<Option<Event>, String> {
        let session = self.end(who).session.as_mut().ok_or("this side is scripted")?;
        if let Some(event) = session.poll_event() {
            return Ok(Some(event));
        }
        if !self.end(who).is_full
            && let Some(message) = self.transmit(who)?
        {
            return Err(format!("unshown: {who:?}: {}", describe(&self.decode(&message)?)));
        }
        Ok(self.end(who).session.as_mut().and_then(Session::poll_event))
    }

    /// Nothing is on its way that the transcript does not show.
    fn expect_quiet(&mut self) -> Result<(), String> {
        for who in [Who::C, Who::S, Who::P] {
            if !self.end(who).is_full
                && let Some(message) = self.transmit(who)?
            {
                return Err(format!("unshown: {who:?}: {}", describe(&self.decode(&message)?)));
            }
            if let Some(session) = &mut self.end(who).session
                && let Some(event) = session.poll_event()
            {
                return Err(format!("unshown: {who:?} app< {}", tell(&event)));
            }
        }
        Ok(())
    }

    /// The next message of a session, as bytes.
    fn transmit(&mut self, who: Who) -> Result<Option<Bytes>, String> {
        let (format, now) = (self.format, self.now);
        let Some(session) = &mut self.end(who).session else { return Ok(None) };
        match session.poll_transmit(now) {
            None => Ok(None),
            Some(Transmit::Shared(publication)) => Ok(Some(publication.bytes(format).clone())),
            Some(Transmit::Batch(_)) => Err("transcripts deliver one by one".to_owned()),
            Some(Transmit::Envelope(envelope)) => {
                let mut message = Vec::new();
                envelope.encode(format, &mut message).map_err(|error| error.to_string())?;
                Ok(Some(message.into()))
            }
        }
    }

    /// Bytes arrive at a side.
    fn carry(&mut self, to: Who, message: &Bytes) {
        let (now, format) = (self.now, self.format);
        let Some(session) = &mut self.end(to).session else { return };
        match Envelope::decode(format, message) {
            Ok(envelope) => session.handle_frame(envelope, now),
            Err(_) => session.handle_fault(PeerFault::Malformed, now),
        }
    }

    fn send_typed(&mut self, who: Who, short: &Short) -> Result<(), String> {
        let ts = WALL_MS + self.now.as_millis();
        let mut envelope = build(short, self.format, &mut self.labels, &mut self.ids, ts)?;
        if matches!(envelope.frame, Frame::Hello(_))
            && self.server.session.as_ref().is_some_and(Session::is_ending)
        {
            self.meet();
        }
        let end = self.end(who);
        let starts_over = match &envelope.frame {
            Frame::Hello(hello) => hello.resume.is_none(),
            Frame::Welcome(welcome) => !welcome.session.resumed,
            _ => false,
        };
        if starts_over {
            end.last_seq = 0;
        }
        envelope.head.seq = match short.field("seq") {
            Some("-") => None,
            Some(_) => short.field_number("seq")?,
            None if is_sequenced(who, &envelope) => {
                end.last_seq += 1;
                Some(end.last_seq)
            }
            None => None,
        };
        let mut message = Vec::new();
        envelope.encode(self.format, &mut message).map_err(|error| error.to_string())?;
        self.carry(who.other(), &message.into());
        Ok(())
    }

    fn command(&mut self, who: Who, short: &Short) -> Result<Result<(), String>, String> {
        let now = self.now;
        match (who, short.first()) {
            (Who::S, "accept") => return self.accept(short),
            (Who::S, "resume") => return self.resume(short),
            // Every connection meets a server's session of its own.
            (Who::C, "connect") if self.server.session.is_some() => self.meet(),
            _ => {}
        }
        let command = command(who, short, self.format, &mut self.ids)?;
        let session = self.end(who).session.as_mut().ok_or("this side is scripted")?;
        Ok(session.handle_command(command, now).map_err(|misuse| misuse.to_string()))
    }

    /// A new connection, and a session of the server that awaits its hello.
    fn meet(&mut self) {
        let previous = self.server.session.take();
        // Before the first welcome there is no session that could be gone on with.
        if self.tickets > 0 {
            self.previous.session = previous;
        }
        self.renew(Who::S);
    }

    /// The fresh session is the client's from here on.
    fn accept(&mut self, short: &Short) -> Result<Result<(), String>, String> {
        self.tickets += 1;
        self.session = self.tickets;
        let acceptance = self.acceptance(short)?;
        let reason = acceptance.not_resumed;
        if let Some((hello, version)) = self.hello.take()
            && let Some(resume) = &hello.resume
            && let Some(previous) = self.previous.session.take()
            && let Err(why) = previous.can_resume(version, resume.recv)
            && reason != Some(why)
        {
            return Err(format!("the session says why it cannot go on: {why:?}"));
        }
        let now = self.now;
        let session = self.server.session.as_mut().ok_or("this side is scripted")?;
        let accept = Command::Accept(Box::new(acceptance));
        Ok(session.handle_command(accept, now).map_err(|misuse| misuse.to_string()))
    }

    /// The session of the connection before gets the new connection; the fresh one is dropped.
    fn resume(&mut self, short: &Short) -> Result<Result<(), String>, String> {
        self.tickets += 1;
        let acceptance = self.acceptance(short)?;
        let (hello, version) = self.hello.clone().ok_or("there was no hello")?;
        let recv = hello.resume.ok_or("the hello asks for no session")?.recv;
        let previous = self.previous.session.as_mut().ok_or("there was no session before")?;
        if let Err(why) = previous.can_resume(version, recv) {
            return Ok(Err(format!("{why:?}")));
        }
        let resumption = Resumption { acceptance, recv, limits: hello.limits };
        let resume = Command::Resume(Box::new(resumption));
        let told = previous.handle_command(resume, self.now).map_err(|misuse| misuse.to_string());
        if told.is_ok() {
            self.hello = None;
            self.server.session = self.previous.session.take();
        }
        Ok(told)
    }

    fn acceptance(&self, short: &Short) -> Result<Acceptance, String> {
        acceptance(short, format!("s{}", self.session), format!("t{}", self.tickets))
    }

    /// Time moves, and each timer fires when it is due. What a timer sends must be shown before
    /// time moves on.
    fn wait(&mut self, until: Time) -> Result<(), String> {
        while let Some(due) = self.due().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.time_passed();
            if self.now < until {
                self.expect_quiet().map_err(|error| format!("already at {}: {error}", self.now))?;
            }
            if self.due().is_some_and(|next| next <= self.now) {
                return Err(format!("a timer does not advance at {}", self.now));
            }
        }
        self.now = until;
        self.time_passed();
        Ok(())
    }

    fn due(&self) -> Option<Time> {
        let of = |end: &End| end.session.as_ref().and_then(Session::poll_timeout);
        [of(&self.client), of(&self.server), of(&self.previous)].into_iter().flatten().min()
    }

    fn time_passed(&mut self) {
        let now = self.now;
        for who in [Who::C, Who::S, Who::P] {
            if let Some(session) = &mut self.end(who).session {
                session.handle_timeout(now);
            }
        }
    }

    fn lose(&mut self, only: Option<Who>) {
        let now = self.now;
        for who in [Who::C, Who::S] {
            if only.is_some_and(|only| only != who) {
                continue;
            }
            if let Some(session) = &mut self.end(who).session {
                let lost = Command::Disconnected(None, "lost".to_owned());
                // Never misuse.
                let _ = session.handle_command(lost, now);
            }
        }
    }

    fn decode(&self, message: &Bytes) -> Result<Envelope, String> {
        Envelope::decode(self.format, message).map_err(|error| error.to_string())
    }

    fn end(&mut self, who: Who) -> &mut End {
        match who {
            Who::C => &mut self.client,
            Who::S => &mut self.server,
            Who::P => &mut self.previous,
        }
    }

    fn renew(&mut self, who: Who) {
        self.seed += 1;
        let (seed, now) = (self.seed, self.now);
        let side = match who {
            Who::C => Side::Client,
            Who::S | Who::P => Side::Server,
        };
        let end = self.end(who);
        end.config.seed = seed;
        end.session = Some(Session::new(side, end.config.clone(), now));
    }
}

impl End {
    fn new(side: Side) -> Self {
        let mut config = Config::new(chat(side));
        config.wall_ms = WALL_MS;
        Self { config, session: None, last_seq: 0, is_full: false }
    }
}

/// Changes a bound.
pub(crate) fn set(config: &mut Config, name: &str, value: u64) -> Result<(), String> {
    let count = usize::try_from(value).map_err(|error| error.to_string())?;
    let small = u32::try_from(value).map_err(|error| error.to_string())?;
    match name {
        "max_frame" => config.limits.max_frame = count,
        "max_in_flight" => config.limits.max_in_flight = count,
        "inbound_bytes" => config.limits.inbound_bytes = count,
        "upload_window" => config.limits.upload_window = small,
        "max_queued" => config.limits.max_queued = count,
        "max_subs" => config.limits.max_subs = count,
        "rate_per_s" => config.limits.rate_per_s = small,
        "rate_burst" => config.limits.rate_burst = small,
        "write_buffer" => config.limits.write_buffer = count,
        "version_min" => config.contract.versions.min = small,
        "version_max" => config.contract.versions.max = small,
        "heartbeat_interval_ms" => config.heartbeat_interval = Duration::from_millis(value),
        _ => return Err(format!("no setting is called `{name}`")),
    }
    Ok(())
}
