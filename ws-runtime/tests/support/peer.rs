//! A client made by hand: it sends whatever a test wants and hides nothing that comes back.

use crate::frames::masked;
use bytes::Bytes;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use ws_proto::{Envelope, Format, Frame, Head, IdSource, MessageId, Raw};

/// Longer than any machine needs; only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(120);

/// One raw connection after the upgrade.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(crate) format: Format,
    ids: IdSource,
    seq: u64,
}

/// What came from the server.
#[derive(Debug)]
pub(crate) enum Seen {
    Envelope(Box<Envelope>),
    /// A WebSocket close frame with a code.
    Closed(u16),
    /// The stream has ended.
    Lost,
}

impl Peer {
    pub(crate) async fn upgraded(server: SocketAddr, format: Format) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Who does not read is soon felt at the other end.
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let mut stream = socket.connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let protocol = match format {
            Format::Json => "wsp1.json",
            Format::MessagePack => "wsp1.msgpack",
        };
        let request = format!(
            "GET / HTTP/1.1\r\nHost: lab\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server says nothing more before the hello.
        while !answer.ends_with(b"\r\n\r\n") {
            let read = timeout(HANG, stream.read_buf(&mut answer)).await.unwrap().unwrap();
            assert!(read > 0, "closed during the upgrade");
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self { stream, format, ids: IdSource::new(1), seq: 0 }
    }

    /// Upgraded, and taken in.
    pub(crate) async fn welcomed(server: SocketAddr, format: Format) -> Self {
        let mut peer = Self::upgraded(server, format).await;
        let hello = peer.hello();
        peer.send(&hello).await;
        let Seen::Envelope(envelope) = peer.next().await else { panic!("no welcome") };
        assert!(matches!(envelope.frame, Frame::Welcome(_)), "{envelope:?}");
        peer
    }

    pub(crate) fn hello(&mut self) -> Vec<u8> {
        let hello = json!({"protocol": "lab", "version": [1, 3], "auth": {"token": "eve"}});
        self.message("$hello", &hello, |_| {})
    }

    /// One message: an envelope with a fresh id.
    pub(crate) fn message(
        &mut self,
        kind: &str,
        payload: &Value,
        set: impl FnOnce(&mut Head),
    ) -> Vec<u8> {
        let mut head = Head::new(kind.into(), self.id(), 0);
        set(&mut head);
        let frame = Frame::Message(Raw::encode(self.format, payload).unwrap());
        let mut message = Vec::new();
        Envelope { head, frame }.encode(self.format, &mut message).unwrap();
        message
    }

    /// One message with the next place in the session stream.
    pub(crate) fn placed(
        &mut self,
        kind: &str,
        payload: &Value,
        set: impl FnOnce(&mut Head),
    ) -> Vec<u8> {
        self.seq += 1;
        let seq = self.seq;
        self.message(kind, payload, |head| {
            head.seq = Some(seq);
            set(head);
        })
    }

    pub(crate) fn id(&mut self) -> MessageId {
        self.ids.next(0)
    }

    /// A message in the frame of the agreed format.
    pub(crate) fn framed(&self, message: &[u8]) -> Vec<u8> {
        match self.format {
            Format::Json => masked(0x81, message),
            Format::MessagePack => masked(0x82, message),
        }
    }

    pub(crate) async fn send(&mut self, message: &[u8]) {
        let frame = self.framed(message);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Reads so many answers, none of them a fault, and acknowledges them.
    pub(crate) async fn acknowledge_done(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let Seen::Envelope(envelope) = self.next().await else { panic!("closed") };
            match envelope.frame {
                Frame::Done(_) => left -= 1,
                Frame::Ack(_) => continue,
                other => panic!("{other:?}"),
            }
            if left == 0 {
                let ack = self.message("$ack", &json!({}), |head| head.ack = envelope.head.seq);
                self.send(&ack).await;
            }
        }
    }

    /// What the server says next.
    pub(crate) async fn next(&mut self) -> Seen {
        loop {
            let Some((first, payload)) = self.frame().await else { return Seen::Lost };
            match first & 0x0f {
                0x1 | 0x2 => {
                    let envelope = Envelope::decode(self.format, &payload).unwrap();
                    return Seen::Envelope(Box::new(envelope));
                }
                0x8 => return Seen::Closed(u16::from_be_bytes([payload[0], payload[1]])),
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> Option<(u8, Bytes)> {
        let read = async {
            let first = self.stream.read_u8().await?;
            let length = match self.stream.read_u8().await? {
                126 => usize::from(self.stream.read_u16().await?),
                127 => usize::try_from(self.stream.read_u64().await?).unwrap(),
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await?;
            std::io::Result::Ok((first, Bytes::from(payload)))
        };
        timeout(HANG, read).await.expect("the server neither speaks nor closes").ok()
    }
}
