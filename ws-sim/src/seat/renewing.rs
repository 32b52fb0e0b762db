//! Credentials that expire, and the application's decision about others.

use super::Seat;
use crate::{
    base::Base,
    oracle::{Broken, Checked, hold},
};
use std::time::Duration;
use ws_proto::{CloseCode, Fault, FaultCode};
use ws_runtime::session::{Closed, Command, Initiator, Ticket};

impl Seat {
    /// How long the credentials of a client last that is taken in now.
    pub(super) fn grant(&mut self, base: &mut Base) -> Option<Duration> {
        let life = base.plan.life.map(|life| base.rng.u64(3_000..=life));
        let life = life.map(Duration::from_millis);
        let ends = life.map(|life| (base.now + life, base.now + life + base.plan.grace));
        self.tap.grants(ends);
        life
    }

    /// The client shows others.
    pub(super) fn is_shown(&mut self, ticket: Ticket, base: &mut Base) -> Checked {
        let other = self.auth;
        hold("I20", other.is_none(), || "two are decided about at once".to_owned())?;
        // Now and then it takes longer than the credentials last.
        let longest = if base.chance(6) { 8_000 } else { 60 };
        self.auth = Some((base.within(longest), ticket));
        self.tap.decides_who(true, false);
        Ok(())
    }

    /// Decides when it is time, whatever else waits for room.
    pub(super) fn decide_who(&mut self, base: &mut Base) -> Result<bool, Broken> {
        let Some((_, ticket)) = self.auth.take_if(|(due, _)| *due <= base.now) else {
            return Ok(false);
        };
        // A connection that is about to end answers nothing.
        if self.session.version().is_none() {
            return Ok(true);
        }
        let refused = base.chance(6);
        self.tap.decides_who(false, !refused);
        let decision = if refused {
            base.hit("not_renewed");
            if let Some(link) = self.link {
                base.net.blame(link);
            }
            Err(Fault::new(FaultCode::Unauthorized, "who is that?"))
        } else {
            base.hit("renewed");
            Ok(self.grant(base))
        };
        self.tell(Command::Renewed(ticket, decision), base)?;
        Ok(true)
    }

    /// Who brings others in time, over a link without faults, is not sent away.
    pub(super) fn check_expired(&mut self, closed: &Closed, base: &mut Base) -> Checked {
        self.auth = None;
        if closed.code != CloseCode::TOKEN_EXPIRED || closed.by != Initiator::Session {
            return Ok(());
        }
        base.hit("expired");
        let is_to_blame = self.link.is_none_or(|link| base.net.is_to_blame(link));
        let (id, client) = (self.id, self.client);
        hold("I20", is_to_blame, || {
            format!("{id:?} sends client {client} away, which brought others in time")
        })
    }
}
