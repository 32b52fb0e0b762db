//! This framework's wire protocol (`docs/protocol.md`), as far as a client of a benchmark needs it:
//! frames are built from fixed parts, and only what has to be known is read.

use crate::{servers::Outcome, voice::Heard, voice::TEXT};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::json;
use std::{io::Write, time::Duration};

/// Milliseconds since the Unix epoch in every frame: the server does not look at it.
const TS: u64 = 1_760_000_000_000;
/// The fixed part of every id; the rest counts.
const ID: [u8; 10] = [1, 0x99, 0xc8, 0x2c, 0xc0, 0, 0x70, 0, 0x80, 0];

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    MessagePack,
}

/// One session, from the client's side.
#[derive(Debug)]
pub(crate) struct Client {
    format: Format,
    /// The place of the last frame sent.
    seq: u64,
    /// The place of the last frame received.
    received: u64,
    ids: u64,
    session: Option<Session>,
    /// Silence after which it asks for life.
    pub(crate) interval: Duration,
}

/// The right to come back.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Session {
    id: String,
    ticket: String,
    pub(crate) resumed: bool,
}

#[derive(Deserialize)]
struct Welcome {
    session: Session,
    heartbeat: Heartbeat,
}

#[derive(Deserialize)]
struct Ping {
    t: u64,
}

#[derive(Deserialize)]
struct Heartbeat {
    interval_ms: u64,
}

impl Format {
    /// The sub-protocol of the upgrade.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "wsp1.json",
            Self::MessagePack => "wsp1.msgpack",
        }
    }
}

impl Client {
    pub(crate) fn new(format: Format) -> Self {
        let interval = Duration::MAX;
        Self { format, seq: 0, received: 0, ids: 0, session: None, interval }
    }

    /// The hello, which asks for this session again or for a new one.
    pub(crate) fn hello(&mut self, resume: Option<&Self>) -> Vec<u8> {
        let mut payload = json!({"protocol": "bench", "version": [1, 1], "auth": {"token": "a"}});
        let session = resume.and_then(|before| Some((before, before.session.as_ref()?)));
        if let Some((before, session)) = session {
            payload["resume"] = json!({
                "session": session.id, "ticket": session.ticket, "recv": before.received,
            });
            self.seq = before.seq;
            self.received = before.received;
            // The server remembers ids of the session before.
            self.ids = before.ids;
        }
        let mut out = Vec::new();
        self.control("$hello", None, false, &payload, &mut out);
        out
    }

    /// Takes the welcome in.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(crate) fn welcome(&mut self, message: &[u8]) -> Outcome<&Session> {
        let refused = || format!("no welcome: {}", String::from_utf8_lossy(message));
        let welcome: Welcome = self.payload(message).map_err(|_| refused())?;
        self.interval = Duration::from_millis(welcome.heartbeat.interval_ms);
        Ok(self.session.insert(welcome.session))
    }

    /// Appends `$ping`, with what is to be acknowledged.
    pub(crate) fn ping(&mut self, out: &mut Vec<u8>) {
        self.control("$ping", None, false, &json!({"t": 1}), out);
    }

    /// Appends the answer to a message, if that is a `$ping`.
    ///
    /// # Errors
    ///
    /// When its payload is not that of one.
    pub(crate) fn pong(&mut self, message: &[u8], out: &mut Vec<u8>) -> Outcome {
        if self.kind(message) != b"$ping" {
            return Ok(());
        }
        let ping: Ping = self.payload(message)?;
        self.control("$pong", None, false, &json!({"t": ping.t, "now": TS}), out);
        Ok(())
    }

    /// Appends `$sub`.
    pub(crate) fn subscribe(&mut self, channel: &str, out: &mut Vec<u8>) {
        self.control("$sub", Some(channel), true, &json!({}), out);
    }

    /// Appends `$sub` for everything in the channel's log.
    pub(crate) fn subscribe_since(&mut self, channel: &str, epoch: &str, out: &mut Vec<u8>) {
        let payload = json!({"since": {"epoch": epoch, "off": 0}});
        self.control("$sub", Some(channel), true, &payload, out);
    }

    /// The epoch that an answer in JSON names.
    pub(crate) fn epoch(message: &[u8]) -> Option<String> {
        let value: serde_json::Value = serde_json::from_slice(message).ok()?;
        Some(value["payload"]["epoch"].as_str()?.to_owned())
    }

    /// Appends an acknowledgement of everything received, and of a channel up to a position.
    pub(crate) fn acknowledge(&mut self, channel: &str, position: u64, out: &mut Vec<u8>) {
        self.control("$ack", None, false, &json!({"ch": {channel: position}}), out);
    }

    /// Appends a request, or a publication to a channel.
    ///
    /// # Errors
    ///
    /// Never: writing into memory does not fail.
    pub(crate) fn request(
        &mut self,
        kind: &str,
        channel: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        self.seq += 1;
        self.head(kind, true, channel, out)?;
        match self.format {
            Format::Json => write!(out, r#"{{"text":"{TEXT}"}}}}"#)?,
            Format::MessagePack => {
                out.extend(b"\x81\xa4text");
                text(TEXT, out);
            }
        }
        Ok(())
    }

    /// What this message is.
    ///
    /// # Errors
    ///
    /// When it is a refusal or the end.
    pub(crate) fn hear(&mut self, message: &[u8]) -> Outcome<Heard> {
        match self.kind(message) {
            b"fan.said" | b"sure.said" | b"deep.said" => Ok(Heard::Event(1)),
            b"echo.ok" | b"$ok" => {
                self.received += 1;
                Ok(Heard::Answer)
            }
            b"$ack" | b"$ping" | b"$pong" | b"$live" => Ok(Heard::Other),
            _ => Err(format!("unexpected: {}", String::from_utf8_lossy(message)).into()),
        }
    }

    /// The type of a message.
    fn kind<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        let kind = match self.format {
            Format::Json => message.get(9..).and_then(|rest| rest.split(|b| *b == b'"').next()),
            Format::MessagePack => match message {
                [0x95, 0xd9, length, rest @ ..] => rest.get(..usize::from(*length)),
                [0x95, length, rest @ ..] => rest.get(..usize::from(length & 0x1f)),
                _ => None,
            },
        };
        kind.unwrap_or_default()
    }

    /// The payload of a message of which more than the type is read; these are rare, and may cost.
    fn payload<T: DeserializeOwned>(&self, message: &[u8]) -> Outcome<T> {
        match self.format {
            Format::Json => {
                let mut value: serde_json::Value = serde_json::from_slice(message)?;
                Ok(serde_json::from_value(value["payload"].take())?)
            }
            Format::MessagePack => {
                type Envelope<T> = (String, IgnoredAny, u64, IgnoredAny, T);
                let envelope: Envelope<T> = rmp_serde::from_slice(message)?;
                Ok(envelope.4)
            }
        }
    }

    /// The position of an event.
    pub(crate) fn position(&self, message: &[u8]) -> Option<u64> {
        let mark: &[u8] = match self.format {
            Format::Json => b"\"off\":",
            Format::MessagePack => b"\xa3off",
        };
        let at = message.windows(mark.len()).position(|part| part == mark)? + mark.len();
        let rest = message.get(at..)?;
        match self.format {
            Format::Json => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
                Some(digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
            }
            Format::MessagePack => match *rest {
                [small @ ..0x80, ..] => Some(small.into()),
                [0xcc, a, ..] => Some(a.into()),
                [0xcd, a, b, ..] => Some(u16::from_be_bytes([a, b]).into()),
                [0xce, a, b, c, d, ..] => Some(u32::from_be_bytes([a, b, c, d]).into()),
                _ => None,
            },
        }
    }

    /// Appends a frame with any payload; these are rare, and may cost.
    fn control(
        &mut self,
        kind: &str,
        channel: Option<&str>,
        has_place: bool,
        payload: &serde_json::Value,
        out: &mut Vec<u8>,
    ) {
        self.seq += u64::from(has_place);
        // Writing into memory does not fail.
        let _ = self.head(kind, has_place, channel, out);
        match self.format {
            Format::Json => {
                let _ = write!(out, "{payload}}}");
            }
            Format::MessagePack => {
                let _ = rmp_serde::encode::write_named(out, payload);
            }
        }
    }

    /// Everything before the payload.
    fn head(
        &mut self,
        kind: &str,
        has_place: bool,
        channel: Option<&str>,
        out: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        self.ids += 1;
        let ack = (self.received > 0 && kind != "$hello").then_some(self.received);
        let seq = has_place.then_some(self.seq);
        match self.format {
            Format::Json => {
                write!(out, r#"{{"type":"{kind}","id":"0199c82c-c000-7000-8000-"#)?;
                hex(self.ids, out);
                write!(out, r#"","ts":{TS}"#)?;
                number(br#","seq":"#, seq, out);
                number(br#","ack":"#, ack, out);
                if let Some(channel) = channel {
                    write!(out, r#","ch":"{channel}""#)?;
                }
                out.extend(br#","payload":"#);
            }
            Format::MessagePack => {
                out.push(0x95);
                text(kind, out);
                out.extend([0xc4, 16]);
                out.extend(ID);
                out.extend(&self.ids.to_be_bytes()[2..]);
                out.push(0xcf);
                out.extend(TS.to_be_bytes());
                let fields =
                    u8::from(seq.is_some()) + u8::from(ack.is_some()) + u8::from(channel.is_some());
                out.push(if fields == 0 { 0xc0 } else { 0x80 | fields });
                packed("seq", seq, out);
                packed("ack", ack, out);
                if let Some(channel) = channel {
                    text("ch", out);
                    text(channel, out);
                }
            }
        }
        Ok(())
    }
}

/// A field of JSON, where there is one.
fn number(name: &[u8], value: Option<u64>, out: &mut Vec<u8>) {
    let Some(mut value) = value else { return };
    out.extend(name);
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend(&digits[at..]);
}

/// The last 12 digits of an id.
fn hex(id: u64, out: &mut Vec<u8>) {
    out.extend((0..12).rev().map(|digit| b"0123456789abcdef"[(id >> (4 * digit) & 15) as usize]));
}

/// A field of a MessagePack map, where there is one.
fn packed(name: &str, value: Option<u64>, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    text(name, out);
    match u32::try_from(value) {
        Ok(tiny @ ..0x80) => out.push(tiny as u8),
        Ok(small @ ..0x100) => out.extend([0xcc, small as u8]),
        Ok(short @ ..0x1_0000) => {
            out.push(0xcd);
            out.extend(&short.to_be_bytes()[2..]);
        }
        Ok(long) => {
            out.push(0xce);
            out.extend(long.to_be_bytes());
        }
        Err(_) => {
            out.push(0xcf);
            out.extend(value.to_be_bytes());
        }
    }
}

/// A MessagePack text of at most 255 bytes.
fn text(value: &str, out: &mut Vec<u8>) {
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    if length < 32 {
        out.push(0xa0 | length);
    } else {
        out.extend([0xd9, length]);
    }
    out.extend(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_proto::{Envelope, Format as Wire};

    const FORMATS: [(Format, Wire); 2] =
        [(Format::Json, Wire::Json), (Format::MessagePack, Wire::MessagePack)];

    #[test]
    fn requests_are_envelopes_of_the_protocol_whatever_their_numbers_are() {
        for (format, wire) in FORMATS {
            let mut client = Client::new(format);
            for last in [0, 126, 254, 65_534, 4_294_967_294, 1 << 40] {
                (client.seq, client.received) = (last, last);
                let mut message = Vec::new();
                client.request("echo", None, &mut message).unwrap();
                let head = Envelope::decode(wire, &message.into()).unwrap().head;
                assert_eq!(head.seq, Some(last + 1));
                assert_eq!(head.ack, (last > 0).then_some(last));
            }
        }
    }

    #[test]
    fn control_frames_are_those_of_the_protocol() {
        for (format, wire) in FORMATS {
            let mut client = Client::new(format);
            let (mut sub, mut since, mut ack) = (Vec::new(), Vec::new(), Vec::new());
            client.subscribe("sure/x", &mut sub);
            client.subscribe_since("deep/x", "5f-1", &mut since);
            client.acknowledge("sure/x", 300, &mut ack);
            for message in [client.hello(None), sub, since, ack] {
                Envelope::decode(wire, &message.into()).unwrap();
            }
        }
    }

    #[test]
    fn the_position_of_an_event_is_read_in_both_formats() {
        for (format, wire) in FORMATS {
            for position in [1, 127, 128, 255, 256, 65_536] {
                let mut sent = Vec::new();
                Client::new(format).request("sure.said", Some("sure/x"), &mut sent).unwrap();
                let mut event = Envelope::decode(wire, &sent.into()).unwrap();
                (event.head.off, event.head.prev) = (Some(position), Some(position - 1));
                let mut message = Vec::new();
                event.encode(wire, &mut message).unwrap();
                let mut client = Client::new(format);
                assert_eq!(client.hear(&message).unwrap(), Heard::Event(1));
                assert_eq!(client.position(&message), Some(position));
            }
        }
    }
}
