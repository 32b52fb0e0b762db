//! Credentials that are renewed over a living connection (`docs/protocol.md`, section 11).

use super::{
    connection::{Connection, denied, nil},
    deciding::decide,
    mailbox::Renewal,
};
use crate::session::{Command, Session, Ticket, Time};
use std::sync::Arc;
use tokio::task::AbortHandle;
use ws_proto::{Address, CloseCode, Secret};

impl Connection {
    /// The client brings another token.
    pub(super) fn on_auth(&mut self, ticket: Ticket, token: Secret) {
        let Some(guest) = self.guest.clone() else { return };
        let (mailbox, shared) = (Arc::clone(&self.mailbox), Arc::clone(&self.shared));
        let asked = tokio::spawn(async move {
            let patience = shared.config.decision_timeout;
            let decision = decide("authentication", guest.renew(token), patience).await;
            mailbox.renew(Renewal { ticket, decision });
        });
        self.renewing = Some(ticket);
        self.asked_who = Some(asked.abort_handle());
    }

    /// The application has said whose the token is.
    pub(super) fn renewed(&mut self, renewal: Renewal, session: &mut Session, now: Time) {
        let Renewal { ticket, decision } = renewal;
        // Asked over a connection that is over: the hello of the next one brought its own.
        if self.renewing.take_if(|asked| *asked == ticket).is_none() {
            return;
        }
        // The handle would keep the memory of a task that is done.
        self.asked_who = None;
        let guest = match decision {
            Ok(guest) => guest,
            Err(fault) => {
                tracing::info!(connection = self.id.0, code = %fault.code, "not renewed");
                return self.apply(Command::Renewed(ticket, Err(fault)), session, now);
            }
        };
        if self.guest.as_ref().is_none_or(|before| before.id() != guest.id()) {
            tracing::info!(connection = self.id.0, "renewed with a token of somebody else");
            let reason = "the new credentials are somebody else's".to_owned();
            let close = Command::Close(CloseCode::PRINCIPAL_CHANGED, reason);
            return self.urged(close, session, now);
        }
        let expires_in = guest.expires_in();
        self.guest = Some(guest);
        self.apply(Command::Renewed(ticket, Ok(expires_in)), session, now);
        self.review(session);
    }

    /// Nobody awaits an answer about credentials any more.
    pub(super) fn forget_renewal(&mut self) {
        self.renewing = None;
        if let Some(asked) = self.asked_who.take() {
            asked.abort();
        }
    }

    /// Asks about everything that the client listens to, or is about to, whether it still may.
    /// What it may no longer, ends as if the application had revoked it. The rest goes on
    /// meanwhile: who had the right has it until somebody says otherwise.
    fn review(&mut self, session: &Session) {
        self.reviews.drain(..).for_each(|review| review.abort());
        let asked = self.questions.values().filter_map(|question| question.subscribes.clone());
        let mut addresses: Vec<Address> = asked.collect();
        addresses.extend(session.subscriptions());
        addresses.extend(self.snapshots.addresses());
        addresses.sort_unstable();
        addresses.dedup();
        self.reviews =
            addresses.into_iter().filter_map(|address| self.ask_still(address)).collect();
    }

    fn ask_still(&self, address: Address) -> Option<AbortHandle> {
        let (guest, link) = (self.guest.clone()?, self.link(None, nil(), 0)?);
        let (mailbox, patience) = (Arc::clone(&self.mailbox), self.shared.config.decision_timeout);
        let review = tokio::spawn(async move {
            let question = guest.may_subscribe(address.clone(), link);
            if let Err(fault) = decide("authorization", question, patience).await {
                mailbox.urge(Command::EndSubscription(address, denied(fault)));
            }
        });
        Some(review.abort_handle())
    }
}
