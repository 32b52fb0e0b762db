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
}

/// One client's state of its protocol.
#[derive(Debug)]
pub(crate) struct Voice {
    tongue: Tongue,
    pub(crate) framing: Framing,
    pub(crate) proto: proto::Client,
    message: Vec<u8>,
    next: u64,
}

/// What a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The answer to a request, or to a publication.
    Answer,
    /// An event of a channel.
    Event,
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

    pub(crate) fn upgrade(&self) -> Upgrade {
        match self.tongue {
            Tongue::Proto(format) => Upgrade { path: "/", protocol: Some(format.name()) },
            Tongue::SocketIo => {
                Upgrade { path: "/socket.io/?EIO=4&transport=websocket", protocol: None }
            }
            Tongue::Bytes(_) | Tongue::JsonRpc => Upgrade { path: "/", protocol: None },
        }
    }

    pub(crate) fn voice(&self) -> Voice {
        let format = match self.tongue {
            Tongue::Proto(format) | Tongue::Bytes(format) => format,
            Tongue::JsonRpc | Tongue::SocketIo => Format::Json,
        };
        Voice {
            tongue: self.tongue,
            framing: self.framing,
            proto: proto::Client::new(format),
            message: Vec::new(),
            next: 0,
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
            Tongue::Bytes(_) | Tongue::JsonRpc => {}
        }
        Ok(())
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
        }
        self.framing.write(message, out);
        Ok(())
    }

    /// What this message is. A refusal is an error: nothing is refused in a benchmark.
    pub(crate) fn hear(&mut self, message: &[u8]) -> Outcome<Heard> {
        match self.tongue {
            Tongue::Proto(_) => return self.proto.hear(message),
            Tongue::Bytes(_) => return Ok(Heard::Answer),
            Tongue::JsonRpc if message.windows(8).any(|part| part == b"\"result\"") => {
                return Ok(Heard::Answer);
            }
            Tongue::SocketIo if message.starts_with(b"43") => return Ok(Heard::Answer),
            Tongue::SocketIo if message == b"2" => return Ok(Heard::Other),
            Tongue::JsonRpc | Tongue::SocketIo => {}
        }
        Err(format!("refused: {}", String::from_utf8_lossy(message)).into())
    }
}
