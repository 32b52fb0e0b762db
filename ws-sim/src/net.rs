//! The model network: links with two lanes each, delay, stall, and loss.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use ws_proto::Envelope;
use ws_runtime::session::Time;

/// Names a link; never given twice.
pub(crate) type LinkId = u64;

/// One end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Client,
    Server,
}

/// What a lane carries.
#[derive(Clone, Debug)]
pub(crate) enum Parcel {
    Message(Bytes),
    /// A message of a run that passes the codec by.
    Envelope(Box<Envelope>),
    /// The sender has closed.
    Fin,
}

#[derive(Debug, Default)]
struct Lane {
    parcels: VecDeque<(Time, Parcel)>,
    /// What is sent from here on is lost, and nobody is told.
    dead: bool,
    latest: Time,
}

#[derive(Debug)]
struct Link {
    /// By the end that sends.
    lanes: [Lane; 2],
    open: [bool; 2],
}

/// Every link of a run.
#[derive(Debug, Default)]
pub(crate) struct Net {
    links: BTreeMap<LinkId, Link>,
    /// Links on which somebody or something was late.
    blamed: BTreeSet<LinkId>,
    made: u64,
}

impl End {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    fn index(self) -> usize {
        usize::from(self == Self::Server)
    }
}

impl Net {
    pub(crate) fn open(&mut self) -> LinkId {
        self.made += 1;
        self.links.insert(self.made, Link { lanes: Default::default(), open: [true; 2] });
        self.made
    }

    pub(crate) fn is_open(&self, link: LinkId, end: End) -> bool {
        self.links.get(&link).is_some_and(|link| link.open[end.index()])
    }

    /// How many messages of one end are on their way.
    pub(crate) fn carried(&self, link: LinkId, from: End) -> usize {
        self.links.get(&link).map_or(0, |link| link.lanes[from.index()].parcels.len())
    }

    /// Order is kept: nothing arrives before what was sent before.
    pub(crate) fn send(&mut self, link: LinkId, from: End, parcel: Parcel, at: Time) {
        let Some(link) = self.links.get_mut(&link).filter(|link| link.open == [true; 2]) else {
            return;
        };
        let lane = &mut link.lanes[from.index()];
        if !lane.dead {
            lane.latest = lane.latest.max(at);
            lane.parcels.push_back((lane.latest, parcel));
        }
    }

    /// One end has closed; the other is told behind what is on its way.
    pub(crate) fn close(&mut self, link: LinkId, end: End, at: Time) {
        self.send(link, end, Parcel::Fin, at);
        self.leave(link, end);
    }

    /// One end is gone without a word.
    pub(crate) fn leave(&mut self, link: LinkId, end: End) {
        let Some(found) = self.links.get_mut(&link) else { return };
        found.open[end.index()] = false;
        found.lanes[end.other().index()].parcels.clear();
        if found.open == [false; 2] {
            self.links.remove(&link);
        }
    }

    /// What one end sends is lost from here on; with `flying` also what is on its way.
    pub(crate) fn kill(&mut self, link: LinkId, from: End, flying: bool) {
        self.blame(link);
        let Some(link) = self.links.get_mut(&link) else { return };
        let lane = &mut link.lanes[from.index()];
        lane.dead = true;
        if flying {
            lane.parcels.clear();
        }
    }

    /// Nothing of one end arrives before `until`.
    pub(crate) fn stall(&mut self, link: LinkId, from: End, until: Time) {
        self.blame(link);
        let Some(link) = self.links.get_mut(&link) else { return };
        let lane = &mut link.lanes[from.index()];
        lane.latest = lane.latest.max(until);
        for (at, _) in &mut lane.parcels {
            *at = until.max(*at);
        }
    }

    /// Not everything goes well on this link.
    pub(crate) fn blame(&mut self, link: LinkId) {
        self.blamed.insert(link);
    }

    pub(crate) fn is_to_blame(&self, link: LinkId) -> bool {
        self.blamed.contains(&link)
    }

    pub(crate) fn arrive(&mut self, link: LinkId, to: End, now: Time) -> Option<Parcel> {
        let lane = &mut self.links.get_mut(&link)?.lanes[to.other().index()];
        lane.parcels.front().filter(|(at, _)| *at <= now)?;
        lane.parcels.pop_front().map(|(_, parcel)| parcel)
    }

    pub(crate) fn due(&self) -> Option<Time> {
        let lanes = self.links.values().flat_map(|link| &link.lanes);
        lanes.filter_map(|lane| lane.parcels.front().map(|(at, _)| *at)).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(crate) fn ids(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }
}
