//! What was answered to requests declared `dedup`, under their keys: a request that comes again
//! gets the same answer and is not worked on again (`docs/protocol.md`, section 7).
//!
//! Pure, as the session is: the server puts a lock around it, and the simulation asks it over lost
//! connections and lost sessions.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::session::Time;
use bytestring::ByteString;
use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    time::Duration,
};
use ws_proto::{Answer, Fault, FaultCode, Format, Raw, Retry};

/// Memory of one result beside its answer, its principal and its key, generously.
const OVERHEAD: usize = 512;

/// The results of one server. `W` is who waits for an answer that is not there yet.
#[derive(Debug)]
pub struct Results<W> {
    bounds: Bounds,
    entries: BTreeMap<Name, Entry<W>>,
    /// When answered results end, the earliest first.
    ends: VecDeque<(Time, Name)>,
    bytes: usize,
}

/// How much is kept, and for how long. A result is never dropped before its time.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Counted from the answer.
    pub window: Duration,
    /// Results, those that are worked on included.
    pub entries: usize,
    /// Bytes of all of them. One that is worked on counts as the largest answer.
    pub bytes: usize,
    /// Bytes that the largest answer may take.
    pub answer: usize,
}

/// Whose request it is, and which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Who asks, over whatever connection.
    pub principal: String,
    /// The `type`.
    pub kind: &'static str,
    /// The idempotency key.
    pub key: ByteString,
}

/// What tells one payload from another. Two formats say one value in different bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// The format that the payload came in.
    pub format: Format,
    /// Two hashes of its bytes that nobody outside can aim at.
    pub hashes: [u64; 2],
}

/// What is to be done about a request.
#[derive(Debug)]
pub enum Begin<'a, W> {
    /// Work on it, then tell [`Results::end`].
    Run,
    /// A handler works on it; these wait for its answer.
    Wait(&'a mut Vec<W>),
    /// It was answered.
    Known(Answer),
}

#[derive(Debug)]
struct Entry<W> {
    payload: Print,
    bytes: usize,
    state: State<W>,
}

#[derive(Debug)]
enum State<W> {
    Running(Vec<W>),
    Answered(Answer),
}

impl<W> Results<W> {
    /// Nothing is kept yet.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self { bounds, entries: BTreeMap::new(), ends: VecDeque::new(), bytes: 0 }
    }

    /// A request comes.
    ///
    /// # Errors
    ///
    /// `invalid` when the key was given to another payload; `overloaded`, which promises that
    /// nothing happened, when no more results can be kept.
    pub fn begin(&mut self, name: &Name, payload: Print, now: Time) -> Result<Begin<'_, W>, Fault> {
        self.forget_ended(now);
        if !self.entries.contains_key(name) {
            self.take_in(name, payload)?;
            return Ok(Begin::Run);
        }
        match self.entries.get_mut(name) {
            Some(entry) if entry.payload.differs(payload) => {
                Err(Fault::invalid("this key was given to another request"))
            }
            Some(Entry { state: State::Answered(answer), .. }) => Ok(Begin::Known(answer.clone())),
            Some(Entry { state: State::Running(waiting), .. }) => Ok(Begin::Wait(waiting)),
            None => Ok(Begin::Run),
        }
    }

    /// The handler has answered, or is gone without an answer. Gives who waited for it.
    pub fn end(&mut self, name: &Name, answer: &Answer, now: Time) -> Vec<W> {
        let Some(entry) = self.entries.get_mut(name) else { return Vec::new() };
        let State::Running(waiting) = &mut entry.state else { return Vec::new() };
        let waiting = mem::take(waiting);
        if is_final(answer) {
            let bytes = name.size() + size_of_answer(answer);
            let before = mem::replace(&mut entry.bytes, bytes);
            entry.state = State::Answered(answer.clone());
            self.bytes = self.bytes - before + bytes;
            self.ends.push_back((now + self.bounds.window, name.clone()));
        } else {
            self.forget(name);
        }
        waiting
    }

    /// Bytes of what is kept.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn take_in(&mut self, name: &Name, payload: Print) -> Result<(), Fault> {
        let bytes = name.size() + self.bounds.answer;
        if self.entries.len() >= self.bounds.entries || self.bytes + bytes > self.bounds.bytes {
            let text = "too many results are kept; none is forgotten before its time";
            return Err(Fault::new(FaultCode::Overloaded, text));
        }
        self.bytes += bytes;
        let state = State::Running(Vec::new());
        self.entries.insert(name.clone(), Entry { payload, bytes, state });
        Ok(())
    }

    fn forget_ended(&mut self, now: Time) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, name)) = self.ends.pop_front() {
                self.forget(&name);
            }
        }
    }

    fn forget(&mut self, name: &Name) {
        if let Some(entry) = self.entries.remove(name) {
            self.bytes -= entry.bytes;
        }
    }
}

impl Name {
    /// Bytes of a result under this name, without its answer.
    #[must_use]
    pub fn size(&self) -> usize {
        // Among the results and in the order of ends.
        OVERHEAD + 2 * (self.principal.len() + self.key.len())
    }
}

impl Print {
    /// Across formats nothing can be said.
    fn differs(self, other: Self) -> bool {
        self.format == other.format && self.hashes != other.hashes
    }
}

/// Whether working on the request again is to be prevented: not where a fault promises that it was
/// not worked on.
fn is_final(answer: &Answer) -> bool {
    match answer {
        Answer::Ok(_) | Answer::Err(_) => true,
        Answer::Fault(fault) => fault.retry == Retry::Unknown,
    }
}

fn size_of_answer(answer: &Answer) -> usize {
    let bytes = |raw: &Raw| raw.bytes().len();
    match answer {
        Answer::Ok(raw) | Answer::Err(raw) => bytes(raw),
        Answer::Fault(fault) => fault.message.len(),
    }
}
