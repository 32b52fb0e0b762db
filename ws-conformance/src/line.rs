//! One connection with the subject: what was sent, what came, and what was not looked at yet.

use crate::{
    judge::{Judge, is_event},
    transcript::{Short, describe},
    wire::{Came, Wire},
};
use bytes::Bytes;
use serde_json::Value;
use std::collections::VecDeque;
use ws_proto::{Envelope, Format, Frame, IdSource, Limits, MessageId, Raw, frame::Pong};

/// The end of a connection, and the code of its close frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended(pub(crate) Option<u16>);

/// Bytes of a message that no client takes.
const HUGE: usize = 32 * 1024 * 1024;

/// One connection, whose every frame is judged.
#[derive(Debug)]
pub(crate) struct Line {
    wire: Wire,
    format: Format,
    pub(crate) judge: Judge,
    /// Frames that no line of the case has shown yet.
    pub(crate) pending: VecDeque<Envelope>,
    /// The same of `$ack`, `$ping`, `$pong` and `$credit`, which may come at any time.
    quiet: VecDeque<Envelope>,
    /// The code of `$close`.
    said: Option<u16>,
    /// The end, and its code.
    pub(crate) closed: Option<Ended>,
    /// Whether pings are left to the case.
    pub(crate) is_silent: bool,
}

impl Line {
    pub(crate) fn new(wire: Wire, format: Format, judge: Judge) -> Self {
        Self {
            wire,
            format,
            judge,
            pending: VecDeque::new(),
            quiet: VecDeque::new(),
            said: None,
            closed: None,
            is_silent: false,
        }
    }

    /// Sends an envelope as it is.
    pub(crate) async fn send(&mut self, envelope: &Envelope) -> Result<(), String> {
        let mut message = Vec::new();
        envelope.encode(self.format, &mut message).map_err(|error| error.to_string())?;
        self.judge.sent = self.judge.sent.max(envelope.head.seq.unwrap_or(0));
        self.wire.send(self.format, message).await;
        Ok(())
    }

    /// Sends this text, whether it is an envelope or not; its `id`, where it has one.
    pub(crate) async fn send_raw(&mut self, text: &str) -> Option<MessageId> {
        self.wire.send(self.format, text.as_bytes().to_vec()).await;
        let envelope: Value = serde_json::from_str(text).ok()?;
        self.judge.sent = self.judge.sent.max(envelope.get("seq")?.as_u64()?);
        serde_json::from_value(envelope.get("id")?.clone()).ok()
    }

    /// Breaks a rule below the envelopes.
    pub(crate) async fn break_rule(&mut self, rule: &str) -> Result<(), String> {
        match rule {
            "wrong_format" => self.wire.send_other_kind(self.format).await,
            "too_large" => {
                self.wire.send(self.format, vec![b' '; Limits::default().max_frame + 1]).await;
            }
            // A client takes events up to the server's bound, which may be above its own.
            "huge" => self.wire.send(self.format, vec![b' '; HUGE]).await,
            _ => return Err(format!("`{rule}` is no rule of the transport")),
        }
        Ok(())
    }

    /// Closes the WebSocket.
    pub(crate) async fn close(&mut self, code: u16) {
        self.wire.close(code).await;
    }

    /// Takes the next thing that comes. It may be dropped and asked again.
    pub(crate) async fn next(&mut self) -> Came {
        if self.closed.is_some() {
            return std::future::pending().await;
        }
        self.wire.next().await
    }

    /// Judges what came, and keeps it for the case.
    pub(crate) async fn take(&mut self, came: Came, ids: &mut IdSource) -> Result<(), String> {
        let (message, is_text) = match came {
            Came::Closed(code) => {
                self.closed = Some(Ended(code));
                return Ok(());
            }
            Came::Message(message, is_text) => (message, is_text),
        };
        let envelope = self.read(&message, is_text)?;
        self.judge.take(&envelope)?;
        match &envelope.frame {
            Frame::Close(close) => self.said = Some(close.code.0),
            Frame::Reject(reject) => {
                self.said = Some(reject.close.0);
                self.pending.push_back(envelope);
            }
            Frame::Ping(ping) => {
                if !self.is_silent {
                    let answer = Frame::Pong(Pong { t: ping.t, now: 0 });
                    let head = ws_proto::Head::new("$pong".into(), ids.next(0), 0);
                    self.send(&Envelope { head, frame: answer }).await?;
                }
                self.quiet.push_back(envelope);
            }
            Frame::Pong(_) | Frame::Ack(_) | Frame::Credit(_) => self.quiet.push_back(envelope),
            _ => self.pending.push_back(envelope),
        }
        Ok(())
    }

    /// The next frame that a line of the case can mean, if it came.
    pub(crate) fn find(&mut self, short: &Short, re: Option<MessageId>) -> Option<Envelope> {
        let kind = short.first().split('#').next().unwrap_or_default();
        if matches!(kind, "$ack" | "$ping" | "$pong" | "$credit") {
            let fits = |it: &Envelope| *it.head.kind == *kind && (re.is_none() || it.head.re == re);
            let at = self.quiet.iter().position(fits)?;
            return self.quiet.remove(at);
        }
        let ch = short.field("ch");
        let is_told = self.judge.is_server();
        let about_events = (is_told && !kind.starts_with('$')) || matches!(kind, "$live" | "$gap");
        let fits = |envelope: &Envelope| match (re, ch) {
            (Some(re), _) => envelope.head.re == Some(re),
            (None, Some(ch)) if about_events => {
                is_event(envelope) && envelope.head.ch.as_deref() == Some(ch)
            }
            _ => envelope.head.re.is_none() && !is_event(envelope),
        };
        let at = self.pending.iter().position(fits)?;
        self.pending.remove(at)
    }

    /// Whether the subject has ended the connection with this code; what it did otherwise.
    pub(crate) fn ended(&self, code: u16) -> Option<Result<(), String>> {
        let Ended(closed) = self.closed?;
        let is_same = |other: Option<u16>| other.is_none_or(|other| other == code);
        let is_said = self.said.is_some() || closed.is_some();
        if is_said && is_same(self.said) && is_same(closed) {
            return Some(Ok(()));
        }
        let shown = |code: Option<u16>| code.map_or_else(|| "none".to_owned(), |it| it.to_string());
        let (said, closed) = (shown(self.said), shown(closed));
        Some(Err(format!("closed by `$close` {said} and WebSocket code {closed}, not {code}")))
    }

    /// What came that no line of the case has shown.
    pub(crate) fn unshown(&self) -> String {
        let frames: Vec<_> = self.pending.iter().map(describe).collect();
        frames.join("\n      ")
    }

    fn read(&self, message: &Bytes, is_text: bool) -> Result<Envelope, String> {
        if is_text != self.format.is_text() {
            return Err("a message of the other kind, text or binary".to_owned());
        }
        let largest = Limits::default().max_frame;
        if message.len() > largest {
            return Err(format!("a message of {} bytes; {largest} are allowed", message.len()));
        }
        let shown = String::from_utf8_lossy(&message[..message.len().min(200)]).into_owned();
        Envelope::decode(self.format, message)
            .map_err(|error| format!("no envelope: {error}\n  got {shown}"))
    }
}

/// An envelope of any type with any payload, checked by nobody.
pub(crate) fn bare(
    head: ws_proto::Head,
    payload: &Value,
    format: Format,
) -> Result<Envelope, String> {
    let raw = Raw::encode(format, payload).map_err(|error| error.to_string())?;
    Ok(Envelope { head, frame: Frame::Message(raw) })
}
