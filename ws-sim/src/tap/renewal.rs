//! The wire of credentials: when they expire, who says so, and what follows (section 11).

use crate::oracle::{Checked, hold};
use std::{collections::BTreeSet, time::Duration};
use ws_proto::{Envelope, Frame, MessageId, frame::AuthGrant};
use ws_runtime::session::Time;

/// Between two `$auth` of a client.
const SPACING: Duration = Duration::from_secs(2);
/// After one that was refused.
const AGAIN: Duration = Duration::from_secs(5);

/// What both sides of one connection said about credentials.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says what one side did, in any order")]
pub(super) struct Renewal {
    /// `$auth` that have come, or left, and are not answered.
    open: BTreeSet<MessageId>,
    /// Server: when the credentials expire, and when they do not count any more.
    ends: Option<(Time, Time)>,
    /// Server: `$auth_required` has left since.
    is_told: bool,
    /// Server: the application decides about others.
    is_deciding: bool,
    /// Server: it has accepted them, and `$auth_ok` has not left.
    owes: bool,
    /// Client: others are on their way, and not answered.
    is_under_way: bool,
    /// Client: when the last ones were brought, and when they were last refused.
    last: Option<Time>,
    refused: Option<Time>,
    /// Client: when the application has been asked at the latest.
    ask_by: Option<Time>,
    is_asked: bool,
}

impl Renewal {
    /// Server: the application takes credentials that count until then.
    pub(super) fn grants(&mut self, ends: Option<(Time, Time)>) {
        (self.ends, self.is_told) = (ends, false);
    }

    /// Server: others have come, and the application decides about them, or has accepted them.
    pub(super) fn decides(&mut self, is_deciding: bool, accepted: bool) {
        self.is_deciding = is_deciding;
        self.owes |= accepted;
    }

    /// Client: its application is asked for others.
    pub(super) fn asks(&mut self) {
        self.is_asked = true;
    }

    /// A frame comes to a client.
    pub(super) fn client_hears(&mut self, Envelope { head, frame }: &Envelope, now: Time) {
        let is_ours = |open: &mut BTreeSet<_>| head.re.is_some_and(|re| open.remove(&re));
        match frame {
            Frame::Welcome(welcome) => self.learns(welcome.auth, now),
            Frame::AuthOk(grant) if is_ours(&mut self.open) => {
                self.is_under_way = false;
                self.learns(Some(*grant), now);
            }
            Frame::AuthRequired(_) if !self.is_under_way => {
                let soon = self.earliest(now);
                self.ask_by = Some(self.ask_by.map_or(soon, |by| by.min(soon)));
            }
            Frame::Fault(_) if is_ours(&mut self.open) => {
                self.is_under_way = false;
                self.refused = Some(now);
                self.ask_by = Some(self.earliest(now));
            }
            _ => {}
        }
    }

    /// Client: its application brings others. They leave as soon as the socket has room.
    pub(super) fn brings(&mut self, now: Time) -> Checked {
        let earliest = self.earliest(now);
        (self.last, self.ask_by, self.is_asked) = (Some(now), None, false);
        let again = std::mem::replace(&mut self.is_under_way, true);
        hold("I20", !again, || "others are on their way".to_owned())?;
        hold("I20", earliest <= now, || format!("$auth before {earliest}"))
    }

    /// A frame leaves a client.
    pub(super) fn client_sends(&mut self, Envelope { head, frame }: &Envelope) {
        if matches!(frame, Frame::Auth(_)) {
            self.open.insert(head.id);
        }
    }

    /// A frame comes to a server.
    pub(super) fn server_hears(&mut self, Envelope { head, frame }: &Envelope) {
        if matches!(frame, Frame::Auth(_)) {
            self.open.insert(head.id);
        }
    }

    /// A frame leaves a server.
    pub(super) fn server_sends(
        &mut self,
        Envelope { head, frame }: &Envelope,
        now: Time,
    ) -> Checked {
        match frame {
            Frame::AuthOk(_) => {
                let is_asked = head.re.is_some_and(|re| self.open.remove(&re));
                let good = is_asked && std::mem::take(&mut self.owes);
                hold("I20", good, || "$auth_ok that nobody is owed".to_owned())
            }
            Frame::AuthRequired(_) => {
                let again = std::mem::replace(&mut self.is_told, true);
                let is_over = self.ends.is_some_and(|(expire, _)| expire <= now);
                let good = is_over && !again && !self.is_deciding;
                hold("I20", good, || format!("$auth_required, they last until {:?}", self.ends))
            }
            _ => Ok(()),
        }
    }

    /// What was to be said and done about credentials up to now was; asked of an open session.
    pub(super) fn check(&self, now: Time, has_room: bool) -> Checked {
        let late = self.ask_by.filter(|by| *by < now && !self.is_asked);
        hold("I20", late.is_none(), || format!("nobody was asked for credentials by {late:?}"))?;
        if has_room {
            hold("I20", !self.owes, || "$auth_ok did not leave".to_owned())?;
        }
        let Some((expire, end)) = self.ends.filter(|_| !self.is_deciding) else { return Ok(()) };
        hold("I20", now < end, || format!("served at {now}, the credentials ended at {end}"))?;
        let is_silent = has_room && expire <= now && !self.is_told;
        hold("I20", !is_silent, || format!("nobody was told that they expired at {expire}"))
    }

    /// The server ends the connection because credentials were not renewed.
    pub(super) fn ended(&self, now: Time) -> Checked {
        let is_over = self.ends.is_some_and(|(_, end)| end <= now) && !self.is_deciding;
        hold("I20", is_over, || {
            format!(
                "ended at {now}, they last until {:?}, decides: {}",
                self.ends, self.is_deciding
            )
        })
    }

    fn learns(&mut self, grant: Option<AuthGrant>, now: Time) {
        let life = grant.and_then(|grant| grant.expires_in_ms).map(Duration::from_millis);
        self.ask_by = life.map(|life| self.earliest(now).max(now + life));
        self.is_asked = false;
    }

    /// When a client may send the next `$auth`.
    fn earliest(&self, now: Time) -> Time {
        let last = self.last.map_or(now, |last| last + SPACING);
        let refused = self.refused.map_or(now, |refused| refused + AGAIN);
        now.max(last).max(refused)
    }
}
