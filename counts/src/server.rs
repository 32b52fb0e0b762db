//! What a server does for one request and for one delivery, from the bytes of a WebSocket frame to
//! those of the next, without sockets: the client is made by hand and costs little.

use crate::{Outcome, Workload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{ops::Range, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::Builder,
};
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Channels, Credentials, Envelope, Events, Fault,
    Format, Frame, Head, IdSource, Limits, Never, Protocol, Raw, Requests, VersionRange,
    frame::{Ack, Hello, Subscribe},
};
use ws_runtime::{Server, ServerConfig, transport::tungstenite::WebSocket};

/// A request alone, so many of them that come and are answered together, and what is published at
/// once to so many subscribers, each counted as one round.
pub(crate) const WORKLOADS: &[Workload] = &[
    ("json request round trip", |rounds| requests(Format::Json, 1, rounds)),
    ("json 16 request round trips at once", |rounds| requests(Format::Json, BATCH, rounds)),
    ("json fan-out to 100", |rounds| fan_out(Format::Json, 1, rounds)),
    ("json fan-out of 32 to 100", |rounds| fan_out(Format::Json, BURST, rounds)),
    ("json kept fan-out of 32 to 100", |rounds| kept_fan_out(Format::Json, rounds)),
    ("msgpack request round trip", |rounds| requests(Format::MessagePack, 1, rounds)),
    ("msgpack 16 request round trips at once", |rounds| {
        requests(Format::MessagePack, BATCH, rounds)
    }),
    ("msgpack fan-out to 100", |rounds| fan_out(Format::MessagePack, 1, rounds)),
    ("msgpack fan-out of 32 to 100", |rounds| fan_out(Format::MessagePack, BURST, rounds)),
    ("msgpack kept fan-out of 32 to 100", |rounds| kept_fan_out(Format::MessagePack, rounds)),
];

const BATCH: u64 = 16;
const SUBSCRIBERS: usize = 100;
/// Events that are published together.
pub(crate) const BURST: u64 = 32;
/// Events of a kept channel that a subscriber acknowledges together.
const ACKED: u64 = 16;
/// Batches that are written before the first one is sent, however many are sent: what they cost is
/// then the same for all numbers of rounds.
pub(crate) const PREPARED: u64 = 400;
/// Bytes between the two ends, more than a round has.
const PIPE: usize = 64 * 1024;
pub(crate) const NOW: u64 = 1_760_000_000_000;

#[derive(Protocol)]
#[protocol(name = "counts", version = 1, requests = CountedRequest, channels = CountedChannel)]
pub(crate) struct Counted;

#[derive(Requests)]
#[requests(handler = CountedHandler)]
pub(crate) enum CountedRequest {
    /// The same text again.
    #[rpc(reply = Echoed, error = Never)]
    Echo {
        /// What is said.
        text: String,
    },
}

/// What was said.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Echoed {
    /// It.
    text: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Channels)]
pub(crate) enum CountedChannel {
    /// What is missed does not matter.
    #[channel(event = FanEvent, delivery = best_effort, publish = client)]
    Fan {
        /// Which one.
        name: String,
    },
    /// Everything arrives.
    #[channel(event = FanEvent, delivery = at_least_once, history = 1024, publish = client)]
    Sure {
        /// Which one.
        name: String,
    },
}

#[derive(Clone, PartialEq, Events)]
pub(crate) enum FanEvent {
    /// Something was said.
    Said {
        /// It.
        text: String,
    },
}

struct App;

impl Authenticate for App {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl Authorize<CountedChannel> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, ()>,
        access: Access<'_, CountedChannel>,
    ) -> Result<(), Fault> {
        match access {
            Access::Subscribe(_) | Access::Publish(_) => Ok(()),
        }
    }
}

impl CountedHandler for App {
    async fn echo(&self, _: &Caller<'_, ()>, req: Echo) -> Result<Echoed, Never> {
        Ok(Echoed { text: req.text })
    }
}

/// Each round sends so many requests together and waits for their answers.
fn requests(format: Format, batch: u64, rounds: u64) -> Outcome {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let server = server()?;
        let mut peer = Peer::connect(&server, format).await?;
        let rounds_of = (0..rounds.max(PREPARED)).map(|round| peer.asked(batch, round * batch));
        let batches = rounds_of.collect::<Outcome<Vec<_>>>()?;
        for batch in &batches[..usize::try_from(rounds)?] {
            peer.stream.write_all(&batch.frames).await?;
            peer.hear("echo.ok", batch.count).await?;
        }
        Ok(())
    })
}

/// Each round publishes so many events, which every subscriber reads.
fn fan_out(format: Format, burst: u64, rounds: u64) -> Outcome {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let server = server()?;
        let mut peers = subscribers(&server, format, "fan/x").await?;
        let event = FanEvent::Said { text: text() };
        for _ in 0..rounds {
            for _ in 0..burst {
                server.publish(Fan { name: "x".to_owned() }, &event).await?;
            }
            for peer in &mut peers {
                peer.hear("fan.said", burst).await?;
            }
        }
        Ok(())
    })
}

/// The same for a channel whose events are kept until every subscriber has acknowledged them.
fn kept_fan_out(format: Format, rounds: u64) -> Outcome {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let server = server()?;
        let mut peers = subscribers(&server, format, "sure/x").await?;
        let acks = (0..rounds.max(PREPARED)).map(|round| peers[0].acked(round * BURST));
        let acks = acks.collect::<Outcome<Vec<_>>>()?;
        let event = FanEvent::Said { text: text() };
        for acks in &acks[..usize::try_from(rounds)?] {
            for _ in 0..BURST {
                server.publish(Sure { name: "x".to_owned() }, &event).await?;
            }
            for peer in &mut peers {
                peer.hear("sure.said", BURST).await?;
                peer.stream.write_all(acks).await?;
            }
        }
        Ok(())
    })
}

async fn subscribers(
    server: &Server<Counted>,
    format: Format,
    ch: &'static str,
) -> Outcome<Vec<Peer>> {
    let mut peers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let mut peer = Peer::connect(server, format).await?;
        let mut head = peer.head("$sub");
        (head.seq, head.ch) = (Some(1), Some(ch.into()));
        peer.say(head, Frame::Subscribe(Subscribe::default())).await?;
        peer.hear("$ok", 1).await?;
        peers.push(peer);
    }
    Ok(peers)
}

pub(crate) fn server() -> Outcome<Server<Counted>> {
    Ok(Server::with_config(App, config())?)
}

/// What ends a session, or has it live on, is not a part of what is counted.
pub(crate) fn server_without_resume() -> Outcome<Server<Counted>> {
    Ok(Server::with_config(App, ServerConfig { session_ttl: Duration::ZERO, ..config() })?)
}

fn config() -> ServerConfig {
    let mut limits = Limits::default();
    limits.rate_per_s = 1_000_000_000;
    limits.rate_burst = 1_000_000_000;
    // On a machine that is slow a round may take long, and nothing but it is to be counted.
    let heartbeat_interval = Duration::from_secs(3_600);
    ServerConfig { limits, heartbeat_interval, ..ServerConfig::default() }
}

pub(crate) fn text() -> String {
    "0123456789abcdef".repeat(4)
}

/// A client of one server: frames as they are written, and as little as must be of those it reads.
pub(crate) struct Peer {
    pub(crate) stream: DuplexStream,
    pub(crate) format: Format,
    ids: IdSource,
    /// What was read and not yet looked at.
    unread: Vec<u8>,
}

/// Requests that are sent together.
struct Batch {
    frames: Vec<u8>,
    count: u64,
}

impl Peer {
    pub(crate) async fn connect(server: &Server<Counted>, format: Format) -> Outcome<Self> {
        let (stream, theirs) = duplex(PIPE);
        let server = server.clone();
        tokio::spawn(async move {
            let transport = WebSocket::server(theirs, format, &Limits::default()).await;
            server.serve(Box::new(transport), Credentials::default()).await;
        });
        let mut peer = Self { stream, format, ids: IdSource::new(7), unread: Vec::new() };
        let head = peer.head("$hello");
        peer.say(head, hello()).await?;
        peer.hear("$welcome", 1).await?;
        Ok(peer)
    }

    pub(crate) fn head(&mut self, kind: &'static str) -> Head {
        Head::new(kind.into(), self.ids.next(NOW), NOW)
    }

    /// So many requests after the first `before` ones, whose answers they acknowledge.
    fn asked(&mut self, count: u64, before: u64) -> Outcome<Batch> {
        let payload = Raw::encode(self.format, &Echo { text: text() })?;
        let mut frames = Vec::new();
        for seq in before + 1..=before + count {
            let mut head = self.head("echo");
            (head.seq, head.ack) = (Some(seq), (before > 0).then_some(before));
            frame(self.format, head, Frame::Message(payload.clone()), &mut frames)?;
        }
        Ok(Batch { frames, count })
    }

    /// Acknowledges the burst after the first `before` events.
    fn acked(&mut self, before: u64) -> Outcome<Vec<u8>> {
        let mut frames = Vec::new();
        for off in (before + ACKED..=before + BURST).step_by(usize::try_from(ACKED)?) {
            let ch = [("sure/x".to_owned(), off)].into();
            let head = self.head("$ack");
            frame(self.format, head, Frame::Ack(Ack { ch }), &mut frames)?;
        }
        Ok(frames)
    }

    pub(crate) async fn say(&mut self, head: Head, said: Frame) -> Outcome {
        let mut frames = Vec::new();
        frame(self.format, head, said, &mut frames)?;
        Ok(self.stream.write_all(&frames).await?)
    }

    /// Reads until so many messages of a type were there; others are passed over.
    pub(crate) async fn hear(&mut self, kind: &str, count: u64) -> Outcome {
        let mut missing = count;
        loop {
            let mut begin = 0;
            while let Some(body) = body(&self.unread[begin..]) {
                let message = &self.unread[begin + body.start..begin + body.end];
                missing -= u64::from(is_kind(self.format, message, kind));
                begin += body.end;
            }
            self.unread.drain(..begin);
            if missing == 0 {
                return Ok(());
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
    }
}

pub(crate) fn hello() -> Frame {
    Frame::Hello(Box::new(Hello::new("counts", VersionRange::new(1, 1))))
}

/// Appends a WebSocket frame. Its mask is zero, which costs the server the same.
pub(crate) fn frame(format: Format, head: Head, frame: Frame, out: &mut Vec<u8>) -> Outcome {
    let mut message = Vec::new();
    Envelope { head, frame }.encode(format, &mut message)?;
    out.push(match format {
        Format::Json => 0x81,
        Format::MessagePack => 0x82,
    });
    if let Ok(short @ ..126) = u8::try_from(message.len()) {
        out.push(0x80 | short);
    } else {
        out.push(0xfe);
        out.extend(u16::try_from(message.len())?.to_be_bytes());
    }
    out.extend([0; 4]);
    out.extend(message);
    Ok(())
}

/// Where the message of the first frame stands, if all of it is there.
pub(crate) fn body(frames: &[u8]) -> Option<Range<usize>> {
    let body = match frames {
        [_, 126, a, b, ..] => 4..4 + usize::from(u16::from_be_bytes([*a, *b])),
        [_, short, ..] => 2..2 + usize::from(*short),
        _ => return None,
    };
    (body.end <= frames.len()).then_some(body)
}

fn is_kind(format: Format, message: &[u8], kind: &str) -> bool {
    let before: &[u8] = match format {
        Format::Json => b"{\"type\":\"",
        // An array of five and the length of a short text.
        Format::MessagePack => &message[..message.len().min(2)],
    };
    message.strip_prefix(before).is_some_and(|rest| rest.starts_with(kind.as_bytes()))
}
