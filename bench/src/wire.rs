//! The generator's end of a connection: frames are written by hand, and answers are only counted,
//! so that the generator costs little beside the server.

use crate::servers::Outcome;
use std::ops::Range;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How messages are delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// WebSocket messages of text.
    Text,
    /// WebSocket messages of bytes.
    Binary,
    /// A length of 4 bytes, big endian, before each message.
    Length,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    stream: TcpStream,
    framing: Framing,
    buffer: Vec<u8>,
    /// What was read and not yet taken.
    unread: Range<usize>,
}

impl Pipe {
    /// Connects, and makes it a WebSocket unless it is plain TCP. `capacity` is the size of a read.
    pub(crate) async fn connect(
        port: u16,
        framing: Framing,
        upgrade: &Upgrade,
        capacity: usize,
    ) -> Outcome<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let mut pipe = Self { stream, framing, buffer: vec![0; capacity], unread: 0..0 };
        if framing != Framing::Length {
            pipe.upgrade(upgrade).await?;
        }
        Ok(pipe)
    }

    /// Waits for more bytes.
    pub(crate) async fn read(&mut self) -> Outcome {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.end == self.buffer.len() {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
            if self.unread.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let free = &mut self.buffer[self.unread.end..];
        match self.stream.read(free).await? {
            0 => Err("the server closed the connection".into()),
            count => {
                self.unread.end += count;
                Ok(())
            }
        }
    }

    /// The next whole message among what was read.
    pub(crate) fn next(&mut self) -> Outcome<Option<&[u8]>> {
        loop {
            let bytes = &self.buffer[self.unread.clone()];
            let Some(frame) = self.framing.scan(bytes) else { return Ok(None) };
            let body = self.unread.start + frame.body.start..self.unread.start + frame.body.end;
            self.unread.start += frame.body.end;
            match frame.kind {
                Kind::Message => return Ok(Some(&self.buffer[body])),
                Kind::Passed => {}
                Kind::Closed => {
                    let reason = String::from_utf8_lossy(&self.buffer[body]).into_owned();
                    return Err(format!("the server closed the connection: {reason}").into());
                }
            }
        }
    }

    /// Waits for the next message.
    pub(crate) async fn message(&mut self) -> Outcome<Vec<u8>> {
        loop {
            if let Some(message) = self.next()? {
                return Ok(message.to_vec());
            }
            self.read().await?;
        }
    }

    /// Writes frames that are ready, see [`Framing::write`].
    pub(crate) async fn write(&mut self, frames: &[u8]) -> Outcome {
        Ok(self.stream.write_all(frames).await?)
    }

    /// Frames one message and writes it.
    pub(crate) async fn say(&mut self, message: &[u8]) -> Outcome {
        let mut frame = Vec::with_capacity(message.len() + 8);
        self.framing.write(message, &mut frame);
        self.write(&frame).await
    }

    async fn upgrade(&mut self, upgrade: &Upgrade) -> Outcome {
        let Upgrade { path, protocol } = upgrade;
        let protocol =
            protocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
        );
        self.write(request.as_bytes()).await?;
        loop {
            self.read().await?;
            let head = &self.buffer[..self.unread.end];
            let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            if !head.starts_with(b"HTTP/1.1 101") {
                return Err(String::from_utf8_lossy(head).into_owned().into());
            }
            self.unread.start = end + 4;
            return Ok(());
        }
    }
}

/// What the request of the upgrade says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upgrade {
    pub(crate) path: &'static str,
    pub(crate) protocol: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Message,
    Passed,
    Closed,
}

#[derive(Debug)]
struct Frame {
    kind: Kind,
    body: Range<usize>,
}

impl Framing {
    /// Appends a frame of this message. Its mask is zero, which costs the server the same.
    pub(crate) fn write(self, message: &[u8], out: &mut Vec<u8>) {
        let length = message.len();
        if self == Self::Length {
            out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        } else {
            out.push(if self == Self::Text { 0x81 } else { 0x82 });
            match u16::try_from(length) {
                Ok(short @ ..126) => out.push(0x80 | u8::try_from(short).unwrap_or_default()),
                Ok(long) => {
                    out.push(0xfe);
                    out.extend(long.to_be_bytes());
                }
                Err(_) => {
                    out.push(0xff);
                    out.extend((length as u64).to_be_bytes());
                }
            }
            out.extend([0; 4]);
        }
        out.extend(message);
    }

    /// The first frame, if all of it is there.
    fn scan(self, bytes: &[u8]) -> Option<Frame> {
        let (kind, head, length) = match (self, bytes) {
            (Self::Length, [a, b, c, d, ..]) => {
                (Kind::Message, 4, u32::from_be_bytes([*a, *b, *c, *d]) as usize)
            }
            (Self::Length, _) => return None,
            (_, [first, 126, a, b, ..]) => {
                (kind(*first), 4, usize::from(u16::from_be_bytes([*a, *b])))
            }
            (_, [first, 127, _, _, _, _, a, b, c, d, ..]) => {
                (kind(*first), 10, u32::from_be_bytes([*a, *b, *c, *d]) as usize)
            }
            (_, [first, short @ ..126, ..]) => (kind(*first), 2, usize::from(*short)),
            _ => return None,
        };
        let body = head..head + length;
        (body.end <= bytes.len()).then_some(Frame { kind, body })
    }
}

fn kind(first: u8) -> Kind {
    match first & 0x0f {
        8 => Kind::Closed,
        9 | 10 => Kind::Passed,
        _ => Kind::Message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_all_of_it_is_there() {
        for length in [0_usize, 125, 126, 65_535, 65_536] {
            let mut frame = Vec::new();
            Framing::Text.write(&vec![b'x'; length], &mut frame);
            // As a server would send it: without the bit of the mask, and without the mask.
            frame[1] &= 0x7f;
            let head = frame.len() - length - 4;
            frame.drain(head..head + 4);
            let scanned = Framing::Text.scan(&frame).unwrap();
            assert_eq!(scanned.body, head..frame.len());
            assert!(Framing::Text.scan(&frame[..frame.len() - 1]).is_none());
        }
    }
}
