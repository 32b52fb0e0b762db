//! What a client says and hears, in each of the protocols that are compared.

use crate::{
    proto::{self, Format},
    servers::Outcome,
    wire::{Framing, Pipe, Upgrade},
};
use std::io::Write;

/// Bytes of text in every request and event.
pub(crate) const TEXT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A server under test, and how the generator speaks to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct System {
    /// What tables call it.
    pub(crate) name: &'static str,
    /// The server that runs, see `servers::serve`.
    pub(crate) server: &'static str,
    pub(crate) tongue: Tongue,
    pub(crate) framing: Framing,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// This framework's.
    Proto(Format),
    /// None: the bytes of this framework's frames, which the server does not look into.
    Bytes(Format),
    JsonRpc,
    SocketIo,
    Nats,
}

/// One client's state of its protocol.
#[derive(Debug)]
pub(crate) struct Voice {
    tongue: Tongue,
    pub(crate) framing: Framing,
    pub(crate) proto: proto::Client,
    message: Vec<u8>,
    next: u64,
    /// Whether bytes without a protocol are events.
    is_listening: bool,
    /// What each event takes, and how many bytes of the next one are there.
    nats: (usize, usize),
}

/// What a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The answer to a request, or to a publication.
    Answer,
    /// So many events.
    Event(u64),
    /// Something that is not counted.
    Other,
}

impl System {
    pub(crate) const fn new(
        name: &'static str,
        server: &'static str,
        tongue: Tongue,
        framing: Framing,
    ) -> Self {
        Self { name, server, tongue, framing }
    }

    /// Connects and shakes hands, up to where requests may be sent.
    pub(crate) async fn connect(&self, port: u16, capacity: usize) -> Outcome<(Pipe, Voice)> {
        let mut pipe = Pipe::connect(port, self.framing, &self.upgrade(), capacity).await?;
        let mut voice = self.voice();
        voice.greet(&mut pipe).await?;
        Ok((pipe, voice))
    }

    /// Connects and listens to a channel, in as few flights as the protocol allows: hello and
    /// subscription leave together, and the answers to both are awaited.
    pub(crate) async fn listen(
        &self,
        port: u16,
        capacity: usize,
        channel: &str,
    ) -> Outcome<(Pipe, Voice)> {
        let mut pipe = Pipe::connect(port, self.framing, &self.upgrade(), capacity).await?;
        let mut voice = self.voice();
        if matches!(self.tongue, Tongue::Proto(_)) {
            voice.arrive(&mut pipe, channel).await?;
        } else {
            voice.greet(&mut pipe).await?;
            voice.subscribe(&mut pipe, channel).await?;
        }
        Ok((pipe, voice))
    }

    pub(crate) fn upgrade(&self) -> Upgrade {
        match self.tongue {
            Tongue::Proto(format) => Upgrade { path: "/", protocol: Some(format.name()) },
            Tongue::SocketIo => {
                Upgrade { path: "/socket.io/?EIO=4&transport=websocket", protocol: None }
            }
            Tongue::Bytes(_) | Tongue::JsonRpc | Tongue::Nats => {
                Upgrade { path: "/", protocol: None }
            }
        }
    }

    pub(crate) fn voice(&self) -> Voice {
        let format = match self.tongue {
            Tongue::Proto(format) | Tongue::Bytes(format) => format,
            Tongue::JsonRpc | Tongue::SocketIo | Tongue::Nats => Format::Json,
        };
        Voice {
            tongue: self.tongue,
            framing: self.framing,
            proto: proto::Client::new(format),
            message: Vec::new(),
            next: 0,
            is_listening: false,
            nats: (1, 0),
        }
    }
}

impl Voice {
    /// The first words, if the protocol has any.
    pub(crate) async fn greet(&mut self, pipe: &mut Pipe) -> Outcome {
        match self.tongue {
            Tongue::Proto(_) => {
                pipe.say(&self.proto.hello(None)).await?;
                self.proto.welcome(&pipe.message().await?)?;
            }
            Tongue::SocketIo => {
                pipe.message().await?;
                pipe.say(b"40").await?;
                while !pipe.message().await?.starts_with(b"40") {}
            }
            Tongue::Nats => {
                pipe.message().await?;
                pipe.say(b"CONNECT {\"verbose\":false}\r\nPING\r\n").await?;
                while pipe.message().await? != b"PONG\r\n" {}
            }
            Tongue::Bytes(_) | Tongue::JsonRpc => {}
        }
        Ok(())
    }

    async fn arrive(&mut self, pipe: &mut Pipe, channel: &str) -> Outcome {
        self.is_listening = true;
        let (hello, mut sub) = (self.proto.hello(None), Vec::new());
        self.proto.subscribe(channel, &mut sub);
        let mut frames = Vec::new();
        self.framing.write(&hello, &mut frames);
        self.framing.write(&sub, &mut frames);
        pipe.write(&frames).await?;
        self.proto.welcome(&pipe.message().await?)?;
        self.answers(pipe, 1).await
    }

    /// Listens to a channel, and waits until the server has agreed. Where there are no channels,
    /// being connected is enough.
    pub(crate) async fn subscribe(&mut self, pipe: &mut Pipe, channel: &str) -> Outcome {
        self.is_listening = true;
        let head = format!("MSG {channel} 1 {}\r\n", TEXT.len());
        self.nats = (head.len() + TEXT.len() + 2, 0);
        match self.tongue {
            Tongue::Proto(_) => {
                let mut message = Vec::new();
                self.proto.subscribe(channel, &mut message);
                pipe.say(&message).await?;
                self.answers(pipe, 1).await
            }
            Tongue::Nats => {
                pipe.say(format!("SUB {channel} 1\r\nPING\r\n").as_bytes()).await?;
                while pipe.message().await? != b"PONG\r\n" {}
                Ok(())
            }
            Tongue::Bytes(_) | Tongue::JsonRpc | Tongue::SocketIo => Ok(()),
        }
    }

    /// Stays, with nothing to say but what keeps the connection alive.
    ///
    /// # Errors
    ///
    /// When the server says more than that, or ends it.
    pub(crate) async fn stay(mut self, mut pipe: Pipe) -> Outcome {
        loop {
            let mut words = Vec::new();
            match tokio::time::timeout(self.proto.interval, pipe.message()).await {
                Ok(message) => {
                    let message = message?;
                    self.hear(&message)?;
                    self.proto.pong(&message, &mut words)?;
                }
                Err(_) => self.proto.ping(&mut words),
            }
            if !words.is_empty() {
                pipe.say(&words).await?;
            }
        }
    }

    /// Appends the frame of one event.
    pub(crate) fn publish(&mut self, channel: &str, out: &mut Vec<u8>) -> Outcome {
        self.message.clear();
        if self.tongue == Tongue::Nats {
            write!(self.message, "PUB {channel} {}\r\n{TEXT}\r\n", TEXT.len())?;
        } else {
            let kind = match channel.split('/').next() {
                Some("sure") => "sure.said",
                Some("deep") => "deep.said",
                _ => "fan.said",
            };
            self.proto.request(kind, Some(channel), &mut self.message)?;
        }
        self.framing.write(&self.message, out);
        Ok(())
    }

    /// Waits for so many answers to publications, in protocols that have them.
    pub(crate) async fn answers(&mut self, pipe: &mut Pipe, count: u64) -> Outcome {
        let mut missing = if matches!(self.tongue, Tongue::Proto(_)) { count } else { 0 };
        while missing > 0 {
            let message = pipe.message().await?;
            missing -= u64::from(self.proto.hear(&message)? == Heard::Answer);
        }
        Ok(())
    }

    /// Appends the frame that acknowledges a channel's events up to a position.
    pub(crate) fn acknowledge(&mut self, channel: &str, position: u64, out: &mut Vec<u8>) {
        self.message.clear();
        self.proto.acknowledge(channel, position, &mut self.message);
        self.framing.write(&self.message, out);
    }

    /// Appends the frame of one more request.
    ///
    /// # Errors
    ///
    /// Never: writing into memory does not fail.
    pub(crate) fn request(&mut self, out: &mut Vec<u8>) -> Outcome {
        self.message.clear();
        self.next += 1;
        let Self { message, next, .. } = self;
        match self.tongue {
            Tongue::Proto(_) | Tongue::Bytes(_) => self.proto.request("echo", None, message)?,
            Tongue::JsonRpc => write!(
                message,
                r#"{{"jsonrpc":"2.0","id":{next},"method":"echo","params":{{"text":"{TEXT}"}}}}"#
            )?,
            Tongue::SocketIo => write!(message, r#"42{next}["echo",{{"text":"{TEXT}"}}]"#)?,
            Tongue::Nats => return Err("NATS is only published to".into()),
        }
        self.framing.write(message, out);
        Ok(())
    }

    /// What this message is. A refusal is an error: nothing is refused in a benchmark.
    pub(crate) fn hear(&mut self, message: &[u8]) -> Outcome<Heard> {
        match self.tongue {
            Tongue::Proto(_) => return self.proto.hear(message),
            Tongue::Bytes(_) if self.is_listening => return Ok(Heard::Event(1)),
            Tongue::Bytes(_) => return Ok(Heard::Answer),
            Tongue::Nats if message == b"PING\r\n" => return Ok(Heard::Other),
            Tongue::Nats => return Ok(Heard::Event(self.nats_events(message.len()))),
            Tongue::JsonRpc if message.windows(8).any(|part| part == b"\"result\"") => {
                return Ok(Heard::Answer);
            }
            Tongue::SocketIo if message.starts_with(b"43") => return Ok(Heard::Answer),
            Tongue::SocketIo if message == b"2" => return Ok(Heard::Other),
            Tongue::JsonRpc | Tongue::SocketIo => {}
        }
        Err(format!("refused: {}", String::from_utf8_lossy(message)).into())
    }

    /// NATS sends a stream of events of one size, cut into messages anywhere.
    fn nats_events(&mut self, length: usize) -> u64 {
        let (size, rest) = self.nats;
        self.nats.1 = (rest + length) % size;
        ((rest + length) / size) as u64
    }
}
