//! The frames of one connection, as long as somebody looks at them.
//!
//! Two queues, both bounded: what passed, as it passed, put there by the connection's task, and what
//! is shown, made of it by whoever looks. So a connection that is looked at pays for one copy of
//! each message, and one that nobody looks at for nothing.

use super::{
    millis,
    showing::{Asked, Reader},
    watching::Way,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    fmt::Write as _,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use ws_proto::{Envelope, Format, Head};

/// How long nobody may ask for the frames before they are no longer kept.
pub(super) const LEASE: Duration = Duration::from_secs(10);
/// Frames in each of the two queues.
const FRAMES: usize = 512;
/// Bytes in each of the two queues.
const BYTES: usize = 1024 * 1024;
/// A longer message is not copied: its header is shown without its payload.
const LONGEST: usize = 32 * 1024;

pub(super) struct Tail {
    /// Tells it apart from one of the same connection that was forgotten.
    pub(super) run: u64,
    pub(super) began_ms: u64,
    began: Instant,
    /// When it was asked for last, in milliseconds after it began.
    asked_ms: AtomicU64,
    passed: Mutex<Passed>,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Passed {
    /// Every frame has a number, from 1, also one that is dropped.
    last: u64,
    queue: VecDeque<Moment>,
    bytes: usize,
}

/// What happened at one moment.
pub(super) struct Moment {
    pub(super) n: u64,
    pub(super) at: Duration,
    pub(super) what: What,
}

pub(super) enum What {
    Message(Way, Format, Bytes),
    /// A long message: its header, if it is an envelope, and its bytes.
    Long(Way, Option<Box<Head>>, usize),
    /// What is no message.
    Note(&'static str),
}

#[derive(Default)]
struct Shown {
    /// The highest number that was taken in.
    last: u64,
    rows: VecDeque<(u64, String)>,
    bytes: usize,
    asked: Asked,
}

/// What a looker has not seen.
pub(super) struct News {
    /// JSON objects with commas between them.
    pub(super) rows: String,
    /// Frames that were dropped before this looker saw them.
    pub(super) dropped: u64,
    /// What to ask for next: everything after this number.
    pub(super) last: u64,
}

impl Tail {
    pub(super) fn new(run: u64, now: Instant) -> Self {
        Self {
            run,
            began_ms: crate::driver::Clock::wall_ms(),
            began: now,
            asked_ms: AtomicU64::new(0),
            passed: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    /// Whether nobody has asked for it for too long.
    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        self.asked() + LEASE < now - self.began
    }

    /// When it was asked for last, after it began.
    pub(super) fn asked(&self) -> Duration {
        Duration::from_millis(self.asked_ms.load(Ordering::Relaxed))
    }

    /// The same, on the clock.
    pub(super) fn last_asked(&self) -> Instant {
        self.began + self.asked()
    }

    pub(super) fn push(&self, way: Way, format: Format, message: &[u8], now: Instant) {
        let what = if message.len() > LONGEST {
            let envelope = Envelope::decode(format, &Bytes::copy_from_slice(message));
            What::Long(way, envelope.ok().map(|it| Box::new(it.head)), message.len())
        } else {
            What::Message(way, format, Bytes::copy_from_slice(message))
        };
        self.add(what, now);
    }

    pub(super) fn note(&self, what: &'static str) {
        self.add(What::Note(what), Instant::now());
    }

    /// What passed after the number that a looker has seen.
    pub(super) fn news(&self, after: u64, reader: &Reader, now: Instant) -> News {
        self.asked_ms.store(millis(now - self.began), Ordering::Relaxed);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (fresh, last) = {
            let mut passed = self.passed();
            passed.bytes = 0;
            (mem::take(&mut passed.queue), passed.last)
        };
        for moment in fresh {
            let row = reader.row(&moment, &mut shown.asked, self.began_ms);
            shown.add(moment.n, row);
        }
        shown.last = last;
        shown.news(after)
    }

    fn add(&self, what: What, now: Instant) {
        let mut passed = self.passed();
        passed.last += 1;
        let moment = Moment { n: passed.last, at: now - self.began, what };
        passed.bytes += moment.what.size();
        passed.queue.push_back(moment);
        while passed.queue.len() > FRAMES || passed.bytes > BYTES {
            let dropped = passed.queue.pop_front();
            passed.bytes -= dropped.map_or(0, |dropped| dropped.what.size());
        }
    }

    fn passed(&self) -> MutexGuard<'_, Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl What {
    fn size(&self) -> usize {
        match self {
            Self::Message(_, _, message) => message.len(),
            Self::Long(..) => size_of::<Head>(),
            Self::Note(_) => 0,
        }
    }
}

impl Shown {
    fn add(&mut self, n: u64, row: String) {
        self.bytes += row.len();
        self.rows.push_back((n, row));
        while self.rows.len() > FRAMES || self.bytes > BYTES {
            let dropped = self.rows.pop_front();
            self.bytes -= dropped.map_or(0, |(_, row)| row.len());
        }
    }

    fn news(&self, after: u64) -> News {
        let new = self.rows.iter().filter(|(n, _)| *n > after);
        let (mut rows, mut count) = (String::new(), 0);
        for (_, row) in new {
            let comma = if rows.is_empty() { "" } else { "," };
            // Writing to a text cannot fail.
            let _ = write!(rows, "{comma}{row}");
            count += 1;
        }
        let dropped = self.last.saturating_sub(after).saturating_sub(count);
        News { rows, dropped, last: self.last }
    }
}
