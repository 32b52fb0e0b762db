//! Best-effort events that wait for the driver of one connection, and what was dropped of them.

use crate::session::line::Line;
use bytestring::ByteString;
use std::{collections::BTreeMap, mem, sync::Arc};
use ws_proto::{Address, Batch, Publication};

/// Events that wait for a driver that does not come; past it the oldest are dropped.
const EVENTS: usize = 1024;
/// Events that a session keeps: one that keeps up takes so many before it writes.
const SOME: usize = 256;

/// Best-effort events on their way, and how many were dropped here, by channel.
#[derive(Default)]
pub(crate) struct Passing {
    pub(crate) entries: Line<(Address, Passed)>,
    /// The events of all entries, and their bytes.
    events: usize,
    bytes: usize,
    /// Entries that were taken off the front.
    gone: usize,
    /// Made when there is any of it.
    seldom: Option<Box<Seldom>>,
}

/// What most connections never have.
#[derive(Default)]
struct Seldom {
    dropped: BTreeMap<Address, u64>,
    /// Where events of channels declared `latest` wait, counted from the first entry ever.
    places: BTreeMap<(Address, ByteString), usize>,
}

/// One best-effort event, or several of one channel.
pub(crate) enum Passed {
    Event(Arc<Publication>),
    Batch(Arc<Batch>),
}

impl Passed {
    /// How many events, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        match self {
            Self::Event(event) => (1, event.size()),
            Self::Batch(batch) => (batch.events().len(), batch.size()),
        }
    }
}

impl Passing {
    /// Puts an event in, in the place of an older one that says the same thing if there is one.
    pub(crate) fn put(&mut self, address: &Address, event: &Arc<Publication>) {
        let end = self.gone + self.entries.len();
        let place = event
            .latest()
            .map(|key| *self.seldom().places.entry((address.clone(), key.clone())).or_insert(end));
        self.bytes += event.size();
        let passed = Passed::Event(Arc::clone(event));
        let waiting = place.and_then(|place| self.entries.iter_mut().nth(place - self.gone));
        if let Some((_, older)) = waiting {
            self.bytes -= older.size().1;
            *older = passed;
            self.lose(address, 1);
        } else {
            self.events += 1;
            self.entries.push_back((address.clone(), passed));
        }
    }

    /// Puts events in that replace none.
    pub(crate) fn put_batch(&mut self, address: &Address, batch: &Arc<Batch>) {
        self.events += batch.events().len();
        self.bytes += batch.size();
        self.entries.push_back((address.clone(), Passed::Batch(Arc::clone(batch))));
    }

    /// Counts events that are gone.
    pub(crate) fn lose(&mut self, address: &Address, events: u64) {
        if events > 0 {
            *self.seldom().dropped.entry(address.clone()).or_default() += events;
        }
    }

    /// Drops the oldest, and counts them, where there are too many, or too many bytes of them.
    pub(crate) fn bound(&mut self, max_bytes: usize) {
        loop {
            let events = self.events.saturating_sub(EVENTS);
            let bytes = self.bytes.saturating_sub(max_bytes);
            if events == 0 && bytes == 0 {
                return;
            }
            let Some((address, oldest)) = self.pop() else { return };
            let before = oldest.size().0;
            let rest = match oldest {
                Passed::Event(_) => None,
                Passed::Batch(batch) => batch.without_oldest(events, bytes).map(Arc::new),
            };
            let left = rest.as_ref().map_or(0, |rest| rest.events().len());
            self.lose(&address, (before - left) as u64);
            if let Some(rest) = rest {
                self.events += left;
                self.bytes += rest.size();
                self.gone -= 1;
                self.entries.push_front((address, Passed::Batch(rest)));
            }
        }
    }

    /// Takes the oldest, as many as a session keeps, and the word of what was dropped before them.
    pub(crate) fn take_some(&mut self) -> Self {
        if self.events <= SOME {
            return mem::take(self);
        }
        let mut taken = Self::default();
        let dropped = self.take_dropped();
        if !dropped.is_empty() {
            taken.seldom().dropped = dropped;
        }
        while self.entries.front().is_some_and(|(_, it)| taken.events + it.size().0 <= SOME)
            && let Some((address, passed)) = self.pop()
        {
            taken.events += passed.size().0;
            taken.entries.push_back((address, passed));
        }
        taken
    }

    /// Whether there is nothing to be said.
    pub(crate) fn is_empty(&self) -> bool {
        let has_dropped = self.seldom.as_ref().is_some_and(|it| !it.dropped.is_empty());
        self.entries.is_empty() && !has_dropped
    }

    /// How many were dropped here, of each channel.
    pub(crate) fn take_dropped(&mut self) -> BTreeMap<Address, u64> {
        self.seldom.as_mut().map(|it| mem::take(&mut it.dropped)).unwrap_or_default()
    }

    fn seldom(&mut self) -> &mut Seldom {
        self.seldom.get_or_insert_default()
    }

    fn pop(&mut self) -> Option<(Address, Passed)> {
        let (address, passed) = self.entries.pop_front()?;
        let (events, bytes) = passed.size();
        self.events -= events;
        self.bytes -= bytes;
        self.gone += 1;
        if let Passed::Event(event) = &passed
            && let Some(key) = event.latest()
        {
            self.seldom().places.remove(&(address.clone(), key.clone()));
        }
        Some((address, passed))
    }
}
