//! One frame as it is shown: its header, its payload as JSON without what must not be seen, and
//! what it answers.

use super::{
    millis,
    tail::{Moment, What},
    watching::Way,
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};
use ws_proto::{
    Envelope, Format, Frame, Head, MessageId, Protocol, RequestSet, frame::SECRET_FIELDS,
};

/// What stands in the place of what is not shown.
const HIDDEN: &str = "(hidden)";
/// Stands for a whole payload among the names of fields.
const ALL: &str = "*";
/// Bytes of a payload that are shown.
const PAYLOAD: usize = 4 * 1024;
/// Questions without an answer whose time is measured.
const ASKED: usize = 1024;

/// Reads frames, and hides what must not be seen.
pub(super) struct Reader {
    /// Fields, wherever they stand.
    fields: BTreeSet<String>,
    /// Messages whose payload is not shown at all.
    kinds: BTreeSet<&'static str>,
}

/// Who asked what, and when: the oldest first.
#[derive(Default)]
pub(super) struct Asked(VecDeque<Question>);

struct Question {
    id: MessageId,
    way: Way,
    kind: String,
    n: u64,
    at: Duration,
}

impl Reader {
    /// Hides what the contract marks `redact`, and these fields.
    pub(super) fn of<P: Protocol>(more: &BTreeSet<String>) -> Self {
        let marked =
            [<P::Requests as RequestSet>::REDACTED, <P::Callbacks as RequestSet>::REDACTED];
        let marked = || marked.into_iter().flatten().copied();
        let named = marked().map(|(_, field)| field).filter(|field| *field != ALL);
        let fields =
            SECRET_FIELDS.into_iter().chain(named).map(str::to_owned).chain(more.iter().cloned());
        let kinds = marked().filter(|(_, field)| *field == ALL).map(|(kind, _)| kind);
        Self { fields: fields.collect(), kinds: kinds.collect() }
    }

    /// A frame as a JSON object.
    pub(super) fn row(&self, moment: &Moment, asked: &mut Asked, began_ms: u64) -> String {
        let at_ms = began_ms.saturating_add(millis(moment.at));
        let mut row = json!({ "n": moment.n, "at_ms": at_ms });
        match &moment.what {
            What::Note(note) => row["note"] = json!(note),
            What::Long(way, head, bytes) => {
                row["from"] = json!(way.name());
                row["bytes"] = json!(bytes);
                row["cut"] = json!(true);
                if let Some(head) = head {
                    show_head(head, &mut row);
                    asked.pair(*way, head, moment, &mut row);
                }
            }
            What::Message(way, format, message) => {
                row["from"] = json!(way.name());
                row["bytes"] = json!(message.len());
                // What is no frame of the protocol could hold anything: its size is shown.
                if let Ok(envelope) = Envelope::decode(*format, message) {
                    show_head(&envelope.head, &mut row);
                    asked.pair(*way, &envelope.head, moment, &mut row);
                    self.show_payload(&envelope, &mut row);
                }
            }
        }
        row.to_string()
    }

    fn show_payload(&self, envelope: &Envelope, row: &mut Value) {
        let is_known = !matches!(envelope.frame, Frame::Unknown(_));
        let is_shown = is_known && !self.kinds.contains(&*envelope.head.kind);
        let payload = if is_shown { payload(&envelope.frame) } else { Some(json!(HIDDEN)) };
        let Some(mut payload) = payload else { return };
        self.hide(&mut payload);
        let mut text = payload.to_string();
        if text.len() > PAYLOAD {
            let end = (0..=PAYLOAD).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or_default());
            row["cut"] = json!(true);
        }
        row["payload"] = json!(text);
    }

    fn hide(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if self.fields.contains(name) {
                        *value = json!(HIDDEN);
                    } else {
                        self.hide(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            _ => {}
        }
    }
}

impl Asked {
    /// Says what a frame answers, and after how long; or remembers it as a question.
    fn pair(&mut self, way: Way, head: &Head, moment: &Moment, row: &mut Value) {
        let kind = &*head.kind;
        let Some(re) = head.re else {
            if head.seq.is_some() {
                if self.0.len() >= ASKED {
                    self.0.pop_front();
                }
                let kind = kind.to_owned();
                self.0.push_back(Question { id: head.id, way, kind, n: moment.n, at: moment.at });
            }
            return;
        };
        // Parts, credit and cancels of the one who asked name the request, too.
        let found = self.0.iter().rposition(|asked| asked.id == re && asked.way != way);
        let Some(found) = found.filter(|_| kind != "$credit") else { return };
        let Question { kind: of, n, at, .. } = &self.0[found];
        let after = moment.at.saturating_sub(*at).as_secs_f64() * 1_000.0;
        row["answers"] = json!({ "n": n, "type": of, "after_ms": (after * 100.0).round() / 100.0 });
        let is_terminal = ["ok", "err"].contains(&kind.rsplit('.').next().unwrap_or_default());
        if is_terminal || kind.starts_with('$') {
            self.0.remove(found);
        }
    }
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::FromClient => "client",
            Self::FromServer => "server",
        }
    }
}

fn show_head(head: &Head, row: &mut Value) {
    row["type"] = json!(&*head.kind);
    row["id"] = json!(head.id.0);
    let numbers = [("seq", head.seq), ("ack", head.ack), ("off", head.off)];
    for (name, number) in numbers.into_iter().filter_map(|(name, it)| Some((name, it?))) {
        row[name] = json!(number);
    }
    if let Some(re) = head.re {
        row["re"] = json!(re.0);
    }
    if let Some(ch) = &head.ch {
        row["ch"] = json!(&**ch);
    }
}

/// The payload as JSON, whatever it travelled as.
fn payload(frame: &Frame) -> Option<Value> {
    let json: Bytes = match frame {
        Frame::Message(raw) => raw.transcode(Format::Json).ok()?.bytes().clone(),
        control => {
            let mut text = Vec::new();
            control.encode_payload(Format::Json, &mut text).ok()?;
            text.into()
        }
    };
    serde_json::from_slice(&json).ok()
}
