//! Requests whose answers are kept under their keys.

use super::{Running, Seat};
use crate::{
    base::Base,
    client::Payment,
    node::Floor,
    oracle::{Checked, hold},
    paying::LONGEST_TTL,
};
use ws_proto::{Answer, Fault};
use ws_runtime::session::{Request, WorkId};

impl Seat {
    /// A request with a key starts, or is answered with what is kept.
    pub(super) fn pay(
        &mut self,
        request: &Request,
        mut running: Running,
        floor: &mut Floor,
        base: &mut Base,
    ) -> Checked {
        let key = request.key.as_ref().and_then(|key| key.parse().ok());
        hold("I19", key.is_some(), || format!("job {} came without its key", running.job))?;
        let said = Payment { job: running.job, key: key.unwrap_or_default() };
        let is_sound = request.deadline.is_some_and(|due| due <= base.now + LONGEST_TTL);
        running.answer = if is_sound {
            let asker = (self.id, request.work);
            floor.till.begin(asker, (self.client, self.format), said, base)?
        } else {
            base.hit("no_ttl");
            Some(Answer::Fault(Fault::invalid("no time that can be kept")))
        };
        self.running.insert(request.work, running);
        Ok(())
    }

    /// What a request waited for that another handler works on, or its own.
    pub(crate) fn paid(&mut self, work: WorkId, answer: Answer) {
        if let Some(running) = self.running.get_mut(&work) {
            running.answer = Some(answer);
        }
    }
}
