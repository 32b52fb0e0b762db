//! The JSON Schema of a protocol, for every other language and for the day a change must not
//! pass unnoticed.
//!
//! [`document`] makes one JSON Schema (draft 2020-12) of a protocol. Its `$defs` hold, each under
//! a title that equals its key:
//!
//! - one entry per message, `JoinMessage` for `join`: `type` as a constant, `id`, `ts`, the header
//!   fields that apply, and `payload` as a reference;
//! - one entry per payload type, under the name of the type, or `JoinOkPayload` where the type has
//!   none (`Vec<String>`); `()` has no entry, and its payload says `null` where it stands;
//! - one entry per variant of a sum type: `JoinErrorBanned`;
//! - `ClientMessage` and `ServerMessage`: what each side may send, told apart by `type`.
//!
//! What clients send follows serde's deserialize contract, what servers send its serialize
//! contract. Where a definition travels both ways and the two differ, the client's is `<T>Input`.
//!
//! `x-ws-protocol` holds what a schema cannot say; all names of types in it are keys of `$defs`, or
//! `null`:
//!
//! ```json
//! { "name": "chat", "version": 3, "min_version": 1,
//!   "requests": { "join": { "payload": "Join", "reply": "Joined", "error": "JoinError",
//!                           "resend": "never", "idempotent": false, "ordered": false,
//!                           "ack": "received", "since": 1 } },
//!   "channels": { "room": { "address": "room/{id}", "delivery": "at_least_once",
//!                           "publish": "server", "history": 256, "since": 1,
//!                           "events": { "said": { "payload": "Said", "since": 1 } } } },
//!   "close_codes": [ { "from": 4000, "to": 4099, "advice": "resume" } ] }
//! ```
//!
//! `callbacks` stands beside `requests` and looks like it, where the server asks its clients: there
//! the server sends the payload and the client the reply. It is absent where there are none.
//!
//! `error` is absent where a request has no typed error, `stream` where it does not stream;
//! `removed`, `deprecated` (the note) and an event's `input` (the client's payload, where it
//! differs) are there when they apply.
//!
//! The text is byte-stable: every object is built with its keys in order, whatever the features
//! of `serde_json` in the build, and nothing depends on the order of declaration except lists.
//!
//! Control frames are the same in every protocol and have their own document, [`control`]; the
//! numbers and words that travel are in [`codes`].

mod assemble;
mod codes;
mod committed;
mod contract;
mod control;
mod fingerprint;
mod head;
mod integers;
mod shape;
mod types;
mod variants;

pub use codes::codes;
pub use committed::{assert_committed, assert_committed_text};
pub use control::control;

use crate::message::Protocol;
use serde_json::{Map, Value};
use std::{collections::BTreeSet, fmt};

/// Why a protocol has no schema: everything that is wrong with it, each with its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    problems: Vec<String>,
}

impl SchemaError {
    /// One sentence per problem, sorted; each starts with the path in back-quotes.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the protocol has no schema:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

impl std::error::Error for SchemaError {}

impl From<BTreeSet<String>> for SchemaError {
    fn from(problems: BTreeSet<String>) -> Self {
        Self { problems: problems.into_iter().collect() }
    }
}

/// The schema of a protocol; the module says what is in it.
///
/// # Errors
///
/// When an integer can pass 2^53-1 and no rule says how it travels, or two things have one name:
/// see [`SchemaError`].
pub fn document<P: Protocol>() -> Result<Value, SchemaError> {
    let (document, problems) = contract::build::<P>();
    if problems.is_empty() { Ok(document) } else { Err(problems.into()) }
}

/// The text that is committed: indented by two spaces, one newline at the end.
///
/// ```
/// let text = ws_proto::schema::to_text(&serde_json::json!({ "b": 1, "a": [] }));
/// assert_eq!(text, "{\n  \"a\": [],\n  \"b\": 1\n}\n");
/// ```
#[must_use]
pub fn to_text(document: &Value) -> String {
    format!("{:#}\n", sorted(document))
}

/// A short hash of what the protocol says on the wire: 16 hex digits. Documentation, titles and
/// deprecation notes do not change it. It travels in `$hello` and `$welcome`
/// (`docs/protocol.md`, section 5), where a difference is logged and nothing else.
///
/// It builds the whole document each time: keep the result.
///
/// A protocol with problems (see [`SchemaError`]) has a fingerprint too.
#[must_use]
pub fn fingerprint<P: Protocol>() -> String {
    fingerprint::of(contract::build::<P>().0)
}

/// The same value with the keys of every object in order, also where `serde_json` was built to
/// keep the order of insertion.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let entries = entries.into_iter().map(|(key, value)| (key.clone(), sorted(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        plain => plain.clone(),
    }
}
