//! The model server: one hub, and a connection for each session, kept while its client is away.

use crate::{
    base::Base,
    net::LinkId,
    oracle::{Broken, Checked, ClientNo},
    paying::Till,
    seat::{Handed, Seat},
};
use std::collections::BTreeMap;
use ws_proto::{Address, Format, IdSource, frame::Hello};
use ws_runtime::{
    hub::{ConnectionId, Hub, HubConfig, Stamp},
    session::Time,
};

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) seats: BTreeMap<ConnectionId, Seat>,
    pub(crate) floor: Floor,
    /// Connections ever made, on every node.
    made: u64,
}

/// What all connections of a node share.
#[derive(Debug)]
pub(crate) struct Floor {
    pub(crate) hub: Hub,
    pub(crate) till: Till,
    ids: IdSource,
    /// Who has to look at which log, or is sent what.
    pub(crate) news: Vec<(ConnectionId, Address, Vec<std::sync::Arc<ws_proto::Publication>>)>,
}

impl Node {
    pub(crate) fn new(base: &mut Base) -> Self {
        Self { seats: BTreeMap::new(), floor: Floor::new(base), made: 0 }
    }

    /// The process ends, and another one begins: no session and no log is left.
    pub(crate) fn restart(&mut self, base: &mut Base) {
        base.note(format_args!("the node restarts"));
        for seat in std::mem::take(&mut self.seats).into_values() {
            seat.drop_link(base);
        }
        self.floor = Floor::new(base);
        base.oracle.node_started();
    }

    pub(crate) fn accept(&mut self, link: LinkId, from: (ClientNo, Format), base: &mut Base) {
        self.made += 1;
        let id = ConnectionId(self.made);
        self.seats.insert(id, Seat::new(id, link, from, base));
    }

    /// Everything that can be done now, once. True when anything happened.
    pub(crate) fn pump(&mut self, base: &mut Base) -> Result<bool, Broken> {
        let mut any = false;
        for ((who, work), answer) in self.floor.till.end_due(base)? {
            any = true;
            if let Some(seat) = self.seats.get_mut(&who) {
                seat.paid(work, answer);
            }
        }
        let ids: Vec<_> = self.seats.keys().copied().collect();
        for id in ids {
            let Some(seat) = self.seats.get_mut(&id) else { continue };
            any |= seat.pump(&mut self.floor, base)?;
            if let Some((hello, refused)) = seat.greeted.take() {
                any = true;
                self.greet(id, &hello, refused, base)?;
            }
            any |= self.park(id, base)?;
        }
        for (who, address, events) in std::mem::take(&mut self.floor.news) {
            any = true;
            if let Some(seat) = self.seats.get_mut(&who) {
                seat.hear(address, events, base);
            }
        }
        Ok(any)
    }

    pub(crate) fn handle_timeouts(&mut self, base: &Base) {
        for seat in self.seats.values_mut() {
            if seat.session.poll_timeout().is_some_and(|due| due <= base.now) {
                seat.session.handle_timeout(base.now);
            }
        }
    }

    pub(crate) fn due(&self, now: Time) -> Option<Time> {
        let seats = self.seats.values().filter_map(|seat| seat.due(now));
        seats.chain(self.floor.till.due()).min()
    }

    /// The application's decision about a hello: a new session, or the one that it names.
    fn greet(
        &mut self,
        id: ConnectionId,
        hello: &Hello,
        refused: bool,
        base: &mut Base,
    ) -> Checked {
        if refused {
            base.hit("hello_refused");
            return self.seats.get_mut(&id).map_or(Ok(()), |seat| seat.refuse(base));
        }
        let Some(resume) = &hello.resume else {
            return self.seats.get_mut(&id).map_or(Ok(()), |seat| seat.welcome(hello, None, base));
        };
        let kept = self.seats.values_mut().find(|seat| seat.is_session(&resume.session));
        let answer = kept.map_or(Err(ws_proto::frame::NotResumed::Unknown), |kept| {
            kept.judge(id, resume).map(|()| kept.id)
        });
        match answer {
            Ok(kept) => {
                let Some(newcomer) = self.seats.remove(&id) else { return Ok(()) };
                let handed = Handed {
                    from: id,
                    shown: resume.ticket.expose().to_owned(),
                    link: newcomer.give_link(),
                    recv: resume.recv,
                    limits: hello.limits,
                };
                base.note(format_args!("{kept:?} takes the link of {id:?}"));
                self.seats.get_mut(&kept).map_or(Ok(()), |seat| seat.claim(handed, base))
            }
            Err(reason) => {
                base.hit("not_resumed");
                let seat = self.seats.get_mut(&id);
                seat.map_or(Ok(()), |seat| seat.welcome(hello, Some(reason), base))
            }
        }
    }

    /// A connection that is over waits, goes on over another link, or is gone.
    fn park(&mut self, id: ConnectionId, base: &mut Base) -> Result<bool, Broken> {
        let Some(seat) = self.seats.get_mut(&id) else { return Ok(false) };
        if !seat.is_away() {
            return Ok(false);
        }
        if seat.go_on(base)? {
            return Ok(true);
        }
        if seat.lives_on(base.now) {
            return Ok(false);
        }
        base.note(format_args!("{id:?} is forgotten"));
        self.seats.remove(&id);
        self.floor.hub.disconnect(id);
        Ok(true)
    }
}

impl Floor {
    fn new(base: &mut Base) -> Self {
        let epoch_seed = base.next_seed();
        let (address_seed, max_frame) = (epoch_seed, 64 * 1024);
        let config = HubConfig { epoch_seed, address_seed, max_logs: 16, max_frame };
        let ids = IdSource::new(base.next_seed());
        Self { hub: Hub::new(config), till: Till::new(base), ids, news: Vec::new() }
    }

    /// An event of the server's own.
    pub(crate) fn publish(&mut self, address: &Address, base: &mut Base) -> Checked {
        let (id, job) = (self.ids.next(base.now.as_millis()), base.next_job());
        let stamp = Stamp { id, ts: 0, key: None };
        self.publish_as(address, stamp, job, base).map(drop)
    }

    pub(crate) fn publish_as(
        &mut self,
        address: &Address,
        stamp: Stamp,
        job: u64,
        base: &mut Base,
    ) -> Result<Option<ws_proto::Position>, Broken> {
        let event = crate::contract::event(address, job);
        let spec = crate::contract::spec_of(address);
        let id = stamp.id;
        let published = self
            .hub
            .publish(address, spec, stamp, &event)
            .map_err(|error| crate::oracle::failure("I1", error.to_string()))?;
        base.note(format_args!("job {job} on {address} at {:?}", published.position));
        if published.duplicate {
            base.hit("duplicate_publish");
        }
        let position = published.position.as_ref();
        base.oracle.published(address, (id, job), position, published.duplicate)?;
        for who in published.wake {
            self.news.push((who, address.clone(), Vec::new()));
        }
        let channel = published.channel.filter(|_| published.fan_out.is_some());
        for who in channel.into_iter().flat_map(|channel| self.hub.listeners(channel)) {
            let event = published.fan_out.iter().cloned();
            // As a server does: what is published at once is handed on together.
            let waiting =
                self.news.iter_mut().find(|(other, ch, _)| (*other, ch) == (who, address));
            match waiting {
                Some((.., events)) => events.extend(event),
                None => self.news.push((who, address.clone(), event.collect())),
            }
        }
        Ok(published.position)
    }
}
