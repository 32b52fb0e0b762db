//! What a server has to keep to towards its handlers: bounds, order, deadlines, draining.

use super::{Running, Seat};
use crate::{
    base::Base,
    contract::REQUESTS,
    oracle::{Checked, hold},
};
use ws_proto::CloseCode;
use ws_runtime::session::{Closed, Command, Drain, Initiator, Stop, Time, WorkId};

impl Seat {
    /// The server stops.
    pub(crate) fn drain(&mut self, drain: Drain, now: Time) {
        if self.session.version().is_some() {
            // Told twice, it does not wait any longer.
            let until = self.draining.map_or(now + drain.patience, |_| now);
            self.draining = Some(until);
        }
        // A session without a connection has nobody to tell.
        let _ = self.session.handle_command(Command::Drain(drain), now);
    }

    /// A handler returns. What it says is the answer, unless its deadline was answered before.
    pub(super) fn ends(&mut self, work: WorkId, now: Time) {
        if let Some(running) = self.running.remove(&work) {
            let awaited = running.stopped != Some(Stop::Deadline);
            self.tap.answers(running.id, awaited, now);
        }
    }

    pub(super) fn check_start(&self, running: &Running, base: &Base) -> Checked {
        let (count, bound) = (self.running.len() + 1, base.plan.server.max_in_flight);
        hold("I4", count <= bound, || format!("{count} requests run, {bound} may"))?;
        let job = running.job;
        let overlaps = REQUESTS[running.kind].ordered
            && self.running.values().any(|other| REQUESTS[other.kind].ordered);
        hold("I4", !overlaps, || format!("job {job} starts before the one before it has ended"))?;
        hold("I15", self.draining.is_none(), || format!("job {job} starts while draining"))
    }

    /// Handlers of cancelled requests have been told.
    pub(super) fn check_cancelled(&mut self) -> Checked {
        for id in self.tap.take_cancelled() {
            let deaf = self.running.values().find(|it| it.id == id && it.stopped.is_none());
            hold("I5", deaf.is_none(), || format!("{deaf:?} is not told of its cancel"))?;
        }
        Ok(())
    }

    /// Handlers whose time is up have been told.
    pub(super) fn check_deadlines(&self, now: Time) -> Checked {
        let is_over = |running: &&Running| {
            running.stopped != Some(Stop::Deadline)
                && running.deadline.is_some_and(|deadline| deadline < now)
        };
        let late = self.running.values().find(is_over);
        hold("I5", late.is_none(), || format!("{late:?} is not told of its deadline"))
    }

    /// A server that stops lets running requests finish, up to a moment.
    pub(super) fn check_drained(&self, closed: &Closed, now: Time) -> Checked {
        let ends = closed.code == CloseCode::DRAINING && closed.by == Initiator::Application;
        let Some(until) = self.draining.filter(|until| ends && now < *until) else {
            return Ok(());
        };
        let running = self.running.len();
        let good = running == 0 && self.tap.has_kept_promises();
        hold("I15", good, || format!("drained before {until}, {running} requests run"))
    }
}
