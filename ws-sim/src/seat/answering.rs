//! What the application of a node does in its own time: answers, decisions, and events of logs.

use super::{Question, Running, Seat};
use crate::{
    base::Base,
    contract::{LOAD, number, numbered, spec_of},
    node::Floor,
    oracle::{Broken, Checked, broken, hold},
};
use std::collections::BTreeSet;
use ws_proto::{
    Address, Answer, Fault, Publication,
    frame::{Done, Unsubscribed},
};
use ws_runtime::{
    hub::{Outgoing, Stamp},
    session::{Command, Delivery, Incoming, WorkId},
};

impl Seat {
    /// Everything whose time has come, as long as the session has room.
    pub(super) fn answer_due(
        &mut self,
        floor: &mut Floor,
        base: &mut Base,
    ) -> Result<bool, Broken> {
        let mut any = false;
        while self.session.has_room() {
            let ready =
                |(_, running): &(&WorkId, &Running)| running.due <= base.now && running.can_go_on();
            if let Some(work) = self.running.iter().find(ready).map(|(work, _)| *work) {
                self.work_on(work, base)?;
            } else if let Some(at) = self.questions.iter().position(|(due, _)| *due <= base.now) {
                let (_, question) = self.questions.remove(at);
                self.decide(question, floor, base)?;
            } else {
                break;
            }
            any = true;
        }
        if !any && !self.session.has_room() {
            base.hit("no_room");
        }
        Ok(any)
    }

    /// One item, or the answer.
    fn work_on(&mut self, work: WorkId, base: &mut Base) -> Checked {
        if self.read_on(work, base)? {
            return Ok(());
        }
        let Some(running) = self.running.get_mut(&work) else { return Ok(()) };
        if running.items_left() > 0 {
            let item = numbered(self.format, running.sent);
            running.sent += 1;
            running.credit -= 1;
            return self.tell(Command::Item(work, item), base);
        }
        if running.kind == LOAD {
            base.hit("uploaded");
        }
        let kept = running.answer.take();
        let answer = kept.unwrap_or_else(|| Answer::Ok(numbered(self.format, running.job)));
        self.ends(work, base.now);
        self.tell(Command::Answer(work, answer), base)
    }

    fn decide(&mut self, question: Question, floor: &mut Floor, base: &mut Base) -> Checked {
        let refused = !base.healed && base.chance(12);
        match question {
            Question::Hello(hello) => {
                if !self.session.is_ending() && self.away.is_none() {
                    self.greeted = Some((hello, refused));
                }
                Ok(())
            }
            Question::Subscribe(ticket, address, since) => {
                let mut decision = Err(Fault::forbidden("not now"));
                if !refused {
                    let spec = spec_of(&address);
                    let (id, window) = (self.id, self.window);
                    let entered = floor.hub.subscribe(id, &address, spec, since.as_ref(), window);
                    let done = entered.or_else(|error| {
                        broken("I1", error.to_string()).map(|()| Done::default())
                    })?;
                    base.oracle.entered(self.client, &address, since.as_ref(), &done)?;
                    self.flying.remove(&address);
                    self.unready.remove(&address);
                    self.behind.insert(address);
                    decision = Ok(done);
                }
                self.tell(Command::Decide(ticket, decision), base)
            }
            Question::Publish(ticket, incoming) => {
                let Incoming { id, address, payload, key, .. } = *incoming;
                let stamp = Stamp { id, ts: 0, key };
                let position = floor.publish_as(&address, stamp, number(&payload), base)?;
                let done = Done {
                    epoch: position.as_ref().map(|position| position.epoch.clone()),
                    off: position.map(|position| position.off),
                    ..Done::default()
                };
                self.tell(Command::Decide(ticket, Ok(done)), base)
            }
            Question::Again(address) => {
                if !self.on_trial.remove(&address) {
                    return Ok(());
                }
                if refused {
                    base.hit("revoked_on_resume");
                    self.deny(&address, floor, base);
                    return Ok(());
                }
                floor.hub.rewind(self.id, &address);
                self.flying.remove(&address);
                self.unready.insert(address.clone());
                self.behind.insert(address);
                Ok(())
            }
        }
    }

    pub(super) fn deny(&mut self, address: &Address, floor: &mut Floor, base: &Base) {
        floor.hub.unsubscribe(self.id, address);
        self.behind.remove(address);
        self.on_trial.remove(address);
        let Fault { code, message, retry, .. } = Fault::forbidden("revoked");
        let why = Unsubscribed { code, reason: message, retry };
        // The client may have left meanwhile.
        let _ =
            self.session.handle_command(Command::EndSubscription(address.clone(), why), base.now);
    }

    /// Takes events from the logs as long as the session wants more.
    pub(super) fn serve_logs(
        &mut self,
        floor: &mut Floor,
        base: &mut Base,
    ) -> Result<bool, Broken> {
        let mut any = false;
        while self.session.wants_deliveries()
            && let Some(address) = self.behind.first().cloned()
        {
            let next = match base.rng.usize(..4) {
                0 => floor.hub.next(self.id, &address).map(|outgoing| (outgoing, true)),
                most => floor.hub.next_many(self.id, &address, most),
            };
            if next.as_ref().is_none_or(|(_, is_more)| !is_more) {
                self.behind.remove(&address);
            }
            let Some((outgoing, _)) = next else {
                self.was_served(&address);
                continue;
            };
            any = true;
            let delivery = match outgoing {
                Outgoing::Gap(gap) => {
                    let (id, may) = (self.id, self.unready.contains(&address));
                    hold("I1", may, || format!("{id:?} had room on {address}: {gap:?}"))?;
                    Delivery::Gap(gap)
                }
                Outgoing::Live { off } => Delivery::Live(off),
                Outgoing::Event(event) => {
                    self.fly(&address, &event, base)?;
                    Delivery::Kept(event)
                }
                Outgoing::Events(batch) => {
                    base.hit("kept_batch");
                    for event in batch.events() {
                        self.fly(&address, event, base)?;
                    }
                    Delivery::KeptBatch(batch)
                }
            };
            self.was_served(&address);
            // Its subscription may have ended meanwhile.
            let _ = self.session.handle_command(Command::Deliver(address, delivery), base.now);
        }
        Ok(any)
    }

    /// A log gave what it had, and waits from here on unless the window is full.
    fn was_served(&mut self, address: &Address) {
        let flying = self.flying.get(address).map_or(0, BTreeSet::len);
        if flying < self.window as usize {
            self.unready.remove(address);
        } else {
            self.unready.insert(address.clone());
        }
    }

    /// An event of a log leaves.
    fn fly(&mut self, address: &Address, event: &Publication, base: &mut Base) -> Checked {
        let flying = self.flying.entry(address.clone()).or_default();
        flying.extend(event.head.off);
        let (count, window) = (flying.len(), self.window as usize);
        base.hit(if count == window { "window_full" } else { "event" });
        hold("I9", count <= window, || format!("{count} of {window} on {address}"))
    }
}
