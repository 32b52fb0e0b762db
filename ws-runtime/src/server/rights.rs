//! Rights that are taken away from principals who have them (`docs/protocol.md`, sections 8
//! and 11).

use super::{Server, Shared, connection::Connection};
use crate::session::{Command, Session, Time};
use ws_proto::{Address, AddressError, Channel, CloseCode, Fault, Protocol, frame::Unsubscribed};

impl<P: Protocol> Server<P> {
    /// Ends every connection of a principal with close code 4701, and its sessions; its clients do
    /// not come back by themselves. Returns how many there were. A client that is being
    /// authenticated now is refused with the same code, and not counted.
    #[must_use = "zero means that nobody of this name is connected"]
    pub fn kick(&self, principal: &str, reason: &str) -> usize {
        self.shared.dismiss(principal, CloseCode::KICKED, reason)
    }

    /// Ends every connection of a principal with close code 4702, and its sessions. Returns how
    /// many there were. A client that is being authenticated now is refused with the same code, and
    /// not counted. Refuse its credentials first, or it comes again.
    #[must_use = "zero means that nobody of this name is connected"]
    pub fn log_out(&self, principal: &str) -> usize {
        self.shared.dismiss(principal, CloseCode::LOGGED_OUT, "logged out")
    }

    /// Ends the subscriptions of a principal to a channel with `$unsubbed`, which says why. What
    /// is published after this returns is not sent to them, replay included; a `$sub` that is
    /// being decided is refused. Returns how many subscriptions there were.
    ///
    /// Change what [`Authorize`](ws_proto::Authorize) says first: the client may ask again.
    ///
    /// # Errors
    ///
    /// When the fields of the channel do not fit into an address.
    pub fn unsubscribe<C: Channel<P::Channels>>(
        &self,
        principal: &str,
        channel: C,
        why: Fault,
    ) -> Result<usize, AddressError> {
        let channel: P::Channels = channel.into();
        let address = ws_proto::ChannelSet::address(&channel)?;
        let why = Unsubscribed { code: why.code, reason: why.message, retry: why.retry };
        Ok(self.shared.revoke(principal, &address, &why))
    }
}

impl Shared {
    fn dismiss(&self, principal: &str, code: CloseCode, reason: &str) -> usize {
        self.guests().dismiss(principal, code, reason)
    }

    fn revoke(&self, principal: &str, address: &Address, why: &Unsubscribed) -> usize {
        let guests = self.guests();
        let revoked = guests.of(principal).filter(|(id, entry)| {
            // In this order: a subscription that enters the hub after the second step finds the
            // command, see `Connection::enter`.
            entry.mailbox.urge(Command::EndSubscription(address.clone(), why.clone()));
            self.hubs.unsubscribe(*id, address)
        });
        revoked.count()
    }
}

impl Connection {
    /// The application ends the subscription to a channel, or what may become one.
    pub(super) fn revoked(
        &mut self,
        address: Address,
        why: Unsubscribed,
        session: &mut Session,
        now: Time,
    ) {
        self.shared.hubs.unsubscribe(self.id, &address);
        self.behind.remove(&address);
        if let Some(asked) = self.on_trial.remove(&address) {
            asked.abort();
        }
        self.revoke_snapshot(&address, &why, session, now);
        for question in self.questions.values_mut() {
            if question.subscribes.as_ref() == Some(&address) {
                question.revoked = Some(refusal(&why));
            }
        }
        self.apply(Command::EndSubscription(address.clone(), why), session, now);
        // Whoever had not entered yet may ask anew.
        self.apply(Command::Release(address), session, now);
    }
}

/// What a `$sub` is answered whose right was taken away while it was decided.
pub(super) fn refusal(why: &Unsubscribed) -> Fault {
    Fault::new(why.code, why.reason.clone()).retry(why.retry)
}
