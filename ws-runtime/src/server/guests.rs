//! Who is connected to this node, or may come back to it.

use super::mailbox::Mailbox;
use crate::{hub::ConnectionId, session::Command};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};
use ws_proto::{CloseCode, Fault, FaultCode};

/// The sessions of this node, by connection and by principal.
pub(super) struct Guests {
    entries: HashMap<ConnectionId, Entry>,
    by_principal: HashMap<String, BTreeSet<ConnectionId>>,
    /// Sessions that one principal may have, those without a connection included.
    most: Option<usize>,
    /// How many connections were lost so far.
    losses: u64,
    /// Clients that are being authenticated, and how many were dismissed before.
    asked: BTreeMap<ConnectionId, u64>,
    dismissals: u64,
    /// Those who were dismissed since the first of `asked`, and their number.
    dismissed: VecDeque<(u64, Dismissed)>,
}

/// One of them.
pub(super) struct Entry {
    pub(super) principal: Option<String>,
    pub(super) mailbox: Arc<Mailbox>,
    /// Which loss left its session without a connection, while it has none.
    lost: Option<u64>,
}

#[derive(Clone)]
struct Dismissed {
    principal: String,
    code: CloseCode,
    reason: String,
}

impl Entry {
    pub(super) fn is_present(&self) -> bool {
        self.lost.is_none()
    }
}

impl Guests {
    pub(super) fn new(most: Option<usize>) -> Self {
        Self {
            entries: HashMap::new(),
            by_principal: HashMap::new(),
            most,
            losses: 0,
            asked: BTreeMap::new(),
            dismissals: 0,
            dismissed: VecDeque::new(),
        }
    }

    /// A connection of nobody yet.
    pub(super) fn arrive(&mut self, id: ConnectionId, mailbox: &Arc<Mailbox>) {
        let entry = Entry { principal: None, mailbox: Arc::clone(mailbox), lost: None };
        self.entries.insert(id, entry);
    }

    /// The application is asked who a client is. Whoever is dismissed from here on is not admitted
    /// by what it answers: it may have looked before.
    pub(super) fn ask(&mut self, id: ConnectionId) {
        self.asked.insert(id, self.dismissals);
    }

    /// Gives a new session to a principal. Where it has as many as it may, the one that has been
    /// without a connection for longest ends.
    ///
    /// # Errors
    ///
    /// With what the client is refused.
    pub(super) fn admit(
        &mut self,
        id: ConnectionId,
        principal: &str,
    ) -> Result<(), (CloseCode, Fault)> {
        if let Some(Dismissed { code, reason, .. }) = self.is_dismissed(id, principal) {
            return Err((code, Fault::unauthorized(reason)));
        }
        let own = self.by_principal.get(principal).map_or(0, BTreeSet::len);
        if let Some(most) = self.most.filter(|most| own >= *most) {
            let Some(longest) = self.longest_lost(principal) else {
                let text = "this principal has as many connections as it may have";
                let fault = Fault::new(FaultCode::Overloaded, text).detail("limit", most);
                return Err((CloseCode::OVERLOADED, fault));
            };
            let reason = "a newer session of this principal took its place".to_owned();
            if let Some(entry) = self.leave(longest) {
                entry.mailbox.urge(Command::Close(CloseCode::STATE_INVALIDATED, reason));
            }
        }
        self.asked.remove(&id);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.principal = Some(principal.to_owned());
            self.by_principal.entry(principal.to_owned()).or_default().insert(id);
        }
        Ok(())
    }

    /// The session of a connection waits for another one.
    pub(super) fn lose(&mut self, id: ConnectionId) {
        self.losses += 1;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.lost = Some(self.losses);
        }
    }

    /// A session has a connection again.
    pub(super) fn find_again(&mut self, id: ConnectionId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.lost = None;
        }
    }

    /// A session is over.
    pub(super) fn leave(&mut self, id: ConnectionId) -> Option<Entry> {
        self.asked.remove(&id);
        let entry = self.entries.remove(&id)?;
        if let Some(principal) = &entry.principal
            && let Some(own) = self.by_principal.get_mut(principal)
        {
            own.remove(&id);
            if own.is_empty() {
                self.by_principal.remove(principal);
            }
        }
        Some(entry)
    }

    /// Ends every session of a principal, those that are about to begin included; gives how many
    /// had begun.
    pub(super) fn dismiss(&mut self, principal: &str, code: CloseCode, reason: &str) -> usize {
        self.dismissals += 1;
        match self.asked.values().min() {
            None => self.dismissed.clear(),
            Some(first) => {
                self.dismissed.retain(|(number, _)| number > first);
                let principal = principal.to_owned();
                let dismissed = Dismissed { principal, code, reason: reason.to_owned() };
                self.dismissed.push_back((self.dismissals, dismissed));
            }
        }
        let close = || Command::Close(code, reason.to_owned());
        self.of(principal).inspect(|(_, entry)| entry.mailbox.urge(close())).count()
    }

    /// The sessions of a principal.
    pub(super) fn of(&self, principal: &str) -> impl Iterator<Item = (ConnectionId, &Entry)> {
        let own = self.by_principal.get(principal).into_iter().flatten();
        own.filter_map(|id| self.entries.get(id).map(|entry| (*id, entry)))
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (ConnectionId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    fn is_dismissed(&self, id: ConnectionId, principal: &str) -> Option<Dismissed> {
        let asked = *self.asked.get(&id)?;
        let since = self.dismissed.iter().filter(|(number, _)| *number > asked);
        since.map(|(_, dismissed)| dismissed).find(|it| it.principal == principal).cloned()
    }

    fn longest_lost(&self, principal: &str) -> Option<ConnectionId> {
        let lost = self.of(principal).filter_map(|(id, entry)| entry.lost.map(|lost| (lost, id)));
        lost.min().map(|(_, id)| id)
    }
}
