//! Requests that are asked again under their keys until they have an answer.

use super::{Client, Wish};
use crate::{
    base::Base,
    oracle::{Broken, Checked},
    paying::LONGEST_TTL,
};
use std::time::Duration;
use ws_proto::FaultCode;
use ws_runtime::session::{CallId, Reply};

/// A request whose answer is kept: what it says, and the key that it is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) job: u64,
    pub(crate) key: u64,
}

/// How long the application waits for an answer where it is asked for again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(9);

impl Client {
    /// Asks for something new, or once more for what was asked for before, answered or not; at
    /// times with something else under the same key, or without a time that a server accepts.
    pub(crate) fn pay(&mut self, base: &mut Base) -> Checked {
        let job = base.next_job();
        let mut payment = Payment { job, key: job };
        if base.chance(2) && !self.paid.is_empty() {
            payment = self.paid[base.rng.usize(..self.paid.len())];
            if base.chance(6) {
                payment.job = job;
            }
        }
        // One call at a time says the same, so that each outcome is that of one message.
        let is_open = |wish: &Wish| matches!(wish, Wish::Pay(other) if other.job == payment.job);
        if self.calls.values().any(|asked| is_open(&asked.wish)) || self.again.iter().any(is_open) {
            return Ok(());
        }
        if payment.job == payment.key && !self.paid.contains(&payment) {
            self.paid.push(payment);
        }
        let ttl = match base.rng.u32(..16) {
            0 => None,
            1 => Some(LONGEST_TTL + Duration::from_secs(1)),
            _ => Some(Duration::from_millis(base.rng.u64(100..3_000))),
        };
        self.ask(Wish::Pay(payment), ttl, base)
    }

    /// A request had no answer: as a client does, it is sent again, now or when all is well.
    pub(super) fn pay_again(
        &mut self,
        payment: Payment,
        reply: &Reply,
        base: &mut Base,
    ) -> Checked {
        let wish = Wish::Pay(payment);
        if !is_worth_retrying(reply) {
            return Ok(());
        }
        if base.chance(3) || !self.session.has_room() {
            self.again.push_back(wish);
            return Ok(());
        }
        self.ask(wish, Some(PATIENCE), base)
    }

    /// The outcome of one of these requests; gives its job.
    pub(super) fn paid_for(
        &self,
        payment: Payment,
        call: CallId,
        reply: &Reply,
        base: &mut Base,
    ) -> Result<u64, Broken> {
        base.oracle.paid(self.no, call, payment, reply)?;
        Ok(payment.job)
    }
}

/// Whether the application asks again: it does not know whether anything was done, or knows that
/// nothing was.
fn is_worth_retrying(reply: &Reply) -> bool {
    match reply {
        Reply::Timeout(_) | Reply::Lost(_) => true,
        // Any other fault is the answer of a handler, or would come again.
        Reply::Fault(fault, _) => {
            matches!(fault.code, FaultCode::Deadline | FaultCode::Cancelled | FaultCode::Draining)
        }
        _ => false,
    }
}
