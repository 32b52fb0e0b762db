//! What every part of a run works with: time, chance, the network, the trace and the oracle.

use crate::{
    contract::{CHANNELS, address, contract},
    net::{End, LinkId, Net, Parcel},
    oracle::{Broken, Oracle, failure},
    tap::{Tap, Terms},
};
use std::{collections::BTreeMap, fmt, time::Duration};
use ws_proto::{Address, ChannelSpec, Envelope, Format, Head, Limits};
use ws_runtime::session::{Config, Leaving, Session, Time, Transmit, Workspace};

/// How often each branch with a name was taken.
pub type Counts = BTreeMap<&'static str, u64>;

#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) rng: fastrand::Rng,
    pub(crate) now: Time,
    pub(crate) plan: Plan,
    pub(crate) net: Net,
    pub(crate) oracle: Oracle,
    pub(crate) trace: Trace,
    pub(crate) counts: Counts,
    /// No more faults.
    pub(crate) healed: bool,
    /// Goes from session to session, as among those of one thread.
    workspace: Workspace,
    jobs: u64,
    seeds: u64,
}

/// What is drawn once for a run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    /// Mostly few: the first faults find most, and many short runs draw more limits.
    pub(crate) steps: u64,
    /// Every message is encoded and decoded; else a message is handed over as it is.
    codec: bool,
    pub(crate) channels: Vec<(&'static ChannelSpec, Address)>,
    pub(crate) server: Limits,
    /// Requests that are acknowledged when they were handled, or requests that stream or take
    /// uploads: a stream whose credit, or an upload whose parts wait behind such a request, which
    /// waits for their turn, never ends.
    pub(crate) saves: bool,
    pub(crate) ttl: Duration,
    /// The longest time, in milliseconds, that credentials last, where they expire.
    pub(crate) life: Option<u64>,
    /// How long they count beyond it.
    pub(crate) grace: Duration,
    /// Answers that a node keeps.
    pub(crate) results: usize,
    interval: Duration,
    timeout: Duration,
    delay_ms: u64,
    /// Messages that one end may have on their way before its socket is full.
    pub(crate) pipe: usize,
}

/// The hash of everything that happened, and on demand its lines.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Base {
    pub(crate) fn new(seed: u64, with_lines: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let plan = Plan::draw(&mut rng);
        Self {
            rng,
            now: Time::ZERO,
            plan,
            net: Net::default(),
            oracle: Oracle::default(),
            trace: Trace { hash: 0xcbf2_9ce4_8422_2325, lines: with_lines.then(Vec::new) },
            counts: Counts::new(),
            healed: false,
            workspace: Workspace::default(),
            jobs: 0,
            seeds: 0,
        }
    }

    /// Each step draws for itself, so that leaving one out changes no other.
    pub(crate) fn draw_anew(&mut self, seed: u64, step: u64) {
        self.rng = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ step);
    }

    /// True once in `n` times.
    pub(crate) fn chance(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    /// A moment up to this many milliseconds from now.
    pub(crate) fn within(&mut self, ms: u64) -> Time {
        self.now + Duration::from_millis(self.rng.u64(..=ms))
    }

    pub(crate) fn any_channel(&mut self) -> (&'static ChannelSpec, Address) {
        let index = self.rng.usize(..self.plan.channels.len());
        self.plan.channels[index].clone()
    }

    pub(crate) fn next_job(&mut self) -> u64 {
        self.jobs += 1;
        self.jobs
    }

    pub(crate) fn next_seed(&mut self) -> u64 {
        self.seeds += 1;
        self.seeds
    }

    pub(crate) fn hit(&mut self, branch: &'static str) {
        *self.counts.entry(branch).or_default() += 1;
    }

    pub(crate) fn server_config(&mut self) -> Config {
        self.config(self.plan.server)
    }

    pub(crate) fn client_config(&mut self) -> Config {
        let mut limits = Limits::default();
        limits.outbox_frames = self.rng.usize(2..24);
        limits.window = self.rng.u32(1..=8);
        self.config(limits)
    }

    /// What the tap of a session of these limits goes by.
    pub(crate) fn terms(&self, end: End, limits: &Limits) -> Terms {
        let silence = self.plan.interval + self.plan.timeout;
        let upload_window = limits.upload_window;
        Terms { end, unacked: limits.outbox_frames, upload_window, silence }
    }

    fn config(&mut self, limits: Limits) -> Config {
        let mut config = Config::new(contract());
        config.limits = limits;
        config.heartbeat_interval = self.plan.interval;
        config.heartbeat_timeout = self.plan.timeout;
        config.auth_grace = self.plan.grace;
        config.seed = self.next_seed();
        config
    }

    /// Puts on the link what a session has to send, as far as it takes it. True when there was
    /// anything.
    pub(crate) fn send(
        &mut self,
        (session, tap): (&mut Session, &mut Tap),
        (link, from): (LinkId, End),
        format: Format,
    ) -> bool {
        let mut any = false;
        session.exchange(&mut self.workspace);
        // What a session says last is written whatever the peer reads: its driver has a deadline.
        while self.net.carried(link, from) < self.plan.pipe || session.is_ending() {
            let Some(transmit) = self.leaving(session, format) else { break };
            for transmit in single(transmit) {
                tap.sends(&transmit, self.now);
                let parcel = self.parcel(transmit, format);
                self.trace.parcel(&parcel);
                self.note(format_args!("{from:?} {link} sends {}", Shown(&parcel, format)));
                let at = self.within(self.plan.delay_ms);
                self.net.send(link, from, parcel, at);
            }
            any = true;
        }
        any
    }

    /// The message in a parcel, which our own codec has made; `None` at the end of the link.
    pub(crate) fn open(
        &mut self,
        parcel: Parcel,
        format: Format,
    ) -> Result<Option<Envelope>, Broken> {
        self.trace.parcel(&parcel);
        match parcel {
            Parcel::Fin => Ok(None),
            Parcel::Envelope(envelope) => Ok(Some(*envelope)),
            Parcel::Message(bytes) => Envelope::decode(format, &bytes)
                .map(Some)
                .map_err(|error| failure("I17", error.to_string())),
        }
    }

    pub(crate) fn note(&mut self, line: fmt::Arguments<'_>) {
        let now = self.now;
        if let Some(lines) = &mut self.trace.lines {
            lines.push(format!("{now:>9} {line}"));
        }
    }
}

impl Base {
    /// What leaves next. Where messages are encoded, the session encodes what it keeps.
    fn leaving(&self, session: &mut Session, format: Format) -> Option<Transmit> {
        if !self.plan.codec {
            return session.poll_transmit(self.now);
        }
        let mut message = Vec::new();
        Some(match session.poll_leaving(self.now, format, &mut message)? {
            Leaving::Encoded => {
                let envelope = Envelope::decode(format, &message.into());
                Transmit::Envelope(Box::new(envelope.expect("our own messages can be decoded")))
            }
            Leaving::Given(transmit) => transmit,
        })
    }

    fn parcel(&self, transmit: Transmit, format: Format) -> Parcel {
        match transmit {
            Transmit::Envelope(envelope) if !self.plan.codec => Parcel::Envelope(envelope),
            Transmit::Envelope(envelope) => {
                let mut bytes = Vec::new();
                envelope.encode(format, &mut bytes).expect("our own messages can be encoded");
                Parcel::Message(bytes.into())
            }
            Transmit::Shared(publication) => Parcel::Message(publication.bytes(format).clone()),
            Transmit::Batch(_) => unreachable!("taken apart"),
        }
    }
}

/// What leaves, message by message.
fn single(transmit: Transmit) -> Vec<Transmit> {
    match transmit {
        Transmit::Batch(batch) => batch.events().iter().cloned().map(Transmit::Shared).collect(),
        one => vec![one],
    }
}

impl Plan {
    fn draw(rng: &mut fastrand::Rng) -> Self {
        let logs = CHANNELS.len() - 1;
        let (first, second) = (rng.usize(..logs), rng.usize(..logs));
        let mut specs = vec![&CHANNELS[first], &CHANNELS[logs]];
        if first != second {
            specs.push(&CHANNELS[second]);
        }
        let mut server = Limits::default();
        server.window = rng.u32(1..=8);
        server.outbox_frames = rng.usize(4..24);
        server.upload_window = rng.u32(1..=4);
        server.max_in_flight = rng.usize(1..5);
        // Small enough for best-effort events to be dropped.
        server.write_buffer = 100 * server.outbox_frames;
        server.rate_per_s = 100_000;
        server.rate_burst = 100_000;
        Self {
            clients: rng.usize(1..=3),
            steps: if rng.u8(..8) == 0 { rng.u64(60..240) } else { rng.u64(15..60) },
            codec: rng.u8(..3) == 0,
            channels: specs.into_iter().map(|spec| (spec, address(spec))).collect(),
            server,
            saves: rng.bool(),
            ttl: Duration::from_millis(rng.u64(500..20_000)),
            life: (rng.u8(..3) == 0).then(|| rng.u64(3_000..8_000)),
            grace: Duration::from_millis(rng.u64(1_000..4_000)),
            results: rng.usize(3..12),
            interval: Duration::from_millis(rng.u64(1_000..8_000)),
            timeout: Duration::from_millis(rng.u64(500..3_000)),
            delay_ms: rng.u64(0..200),
            pipe: rng.usize(2..40),
        }
    }
}

impl Trace {
    fn parcel(&mut self, parcel: &Parcel) {
        match parcel {
            Parcel::Message(bytes) => self.bytes(bytes),
            Parcel::Envelope(envelope) => {
                let Head { kind, seq, ack, off, .. } = &envelope.head;
                self.bytes(kind.as_bytes());
                [seq, ack, off].into_iter().flatten().for_each(|number| self.number(*number));
            }
            Parcel::Fin => self.number(0),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.number(u64::from_le_bytes(word));
        }
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.hash = (self.hash.rotate_left(5) ^ number).wrapping_mul(0x0100_0000_01b3);
    }

    pub(crate) fn end(self) -> (u64, Vec<String>) {
        (self.hash, self.lines.unwrap_or_default())
    }
}

/// One message, as a person reads it.
struct Shown<'a>(&'a Parcel, Format);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let envelope = match self.0 {
            Parcel::Message(bytes) => Envelope::decode(self.1, bytes).ok(),
            Parcel::Envelope(envelope) => Some(envelope.as_ref().clone()),
            Parcel::Fin => None,
        };
        let Some(Envelope { head, frame }) = envelope else {
            return f.write_str("what is no message");
        };
        write!(f, "{}", head.kind)?;
        let tail = |id: &ws_proto::MessageId| id.to_string().split_off(28);
        write!(f, " id={}", tail(&head.id))?;
        let re = head.re.as_ref().map(tail);
        if let Some(re) = re {
            write!(f, " re={re}")?;
        }
        if let Some(ch) = &head.ch {
            write!(f, " {ch}")?;
        }
        for (name, value) in [("seq", head.seq), ("ack", head.ack), ("off", head.off)] {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        match frame {
            ws_proto::Frame::Message(raw) => write!(f, " job={}", crate::contract::number(&raw)),
            frame => write!(f, " {frame:?}"),
        }
    }
}
