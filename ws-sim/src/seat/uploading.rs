//! Handlers that read the parts of an upload.

use super::{Running, Seat};
use crate::{
    base::Base,
    client::parts_of,
    contract::{LOAD, number},
    oracle::{Broken, Checked, failure, hold},
};
use ws_proto::Raw;
use ws_runtime::session::{Command, Time, WorkId};

/// What a handler knows of its upload.
#[derive(Debug, Default)]
pub(super) struct Reading {
    came: u64,
    unread: u32,
    /// It has asked for the first parts.
    has_asked: bool,
    is_ended: bool,
}

impl Reading {
    /// Whether its handler has anything to do.
    pub(super) fn can_go_on(&self) -> bool {
        !self.has_asked || self.unread > 0 || self.is_ended
    }
}

impl Seat {
    /// A part has come: the next one, of an upload that goes on, within what was asked for.
    pub(super) fn part(&mut self, work: WorkId, part: &Raw, base: &mut Base) -> Checked {
        let (due, window) = (base.within(60), base.plan.server.upload_window);
        base.hit("part");
        let reading = self.reading(work, due)?;
        let (came, index) = (reading.came, number(part));
        reading.came += 1;
        reading.unread += 1;
        let unread = reading.unread;
        hold("I21", index == came, || format!("part {index} after {came} of {work:?}"))?;
        hold("I21", unread <= window, || format!("{unread} parts of {work:?} wait of {window}"))
    }

    /// The last part has come, and so have all before it.
    pub(super) fn parts_end(&mut self, work: WorkId, base: &mut Base) -> Checked {
        let due = base.within(60);
        let reading = self.reading(work, due)?;
        reading.is_ended = true;
        let came = reading.came;
        let parts = self.running.get(&work).map_or(0, |running| parts_of(running.job));
        hold("I21", came == parts, || format!("{work:?} ended after {came} of {parts} parts"))
    }

    /// One step of a handler; false when it is done and answers.
    pub(super) fn read_on(&mut self, work: WorkId, base: &mut Base) -> Result<bool, Broken> {
        let (due, leaves) = (base.within(60), base.chance(20));
        let Some(running) = self.running.get_mut(&work) else { return Ok(false) };
        let is_stopped = running.stopped.is_some() || leaves;
        if running.kind != LOAD || is_stopped {
            return Ok(false);
        }
        let Running { reading, .. } = running;
        let count = match reading {
            Reading { has_asked: false, .. } => 0,
            Reading { unread: 0, .. } => return Ok(false),
            Reading { unread, .. } => base.rng.u32(1..=*unread),
        };
        reading.unread -= count;
        reading.has_asked = true;
        running.due = due;
        self.tell(Command::Read(work, count), base)?;
        Ok(true)
    }

    fn reading(&mut self, work: WorkId, due: Time) -> Result<&mut Reading, Broken> {
        let over = || failure("I21", format!("a part of {work:?}, which is over"));
        let running = self.running.get_mut(&work).ok_or_else(over)?;
        running.due = running.due.max(due);
        let is_over = running.stopped.is_some() || running.reading.is_ended;
        if is_over || running.kind != LOAD { Err(over()) } else { Ok(&mut running.reading) }
    }
}
