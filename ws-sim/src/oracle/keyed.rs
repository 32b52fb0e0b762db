//! Requests whose answers are kept under their keys: one effect, whoever asks again, as long as the
//! answer is kept.

use super::{Broken, ClientNo, Oracle, failure, hold};
use crate::client::Payment;
use std::collections::{BTreeMap, BTreeSet};
use ws_runtime::session::{CallId, Reply, Time};

/// Whose request, and its key.
type Key = (ClientNo, u64);

#[derive(Debug, Default)]
pub(super) struct Keyed {
    /// What the node that lives now has to know.
    known: BTreeMap<Key, Known>,
    /// Everything that was ever done under a key.
    effects: BTreeMap<Key, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Known {
    /// What the request said.
    job: u64,
    /// What came of it, and until when that is kept; none while a handler works on it.
    ended: Option<(Paid, Time)>,
}

/// What came of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paid {
    /// It was done, and this is its number.
    Done(u64),
    /// Nobody knows.
    Failed,
    /// Nothing was done.
    Untouched,
}

/// What has to be done about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Run,
    Wait,
    Known(Paid),
    /// The key is that of another request.
    Other,
    /// There is no room for another answer.
    Full,
}

impl Oracle {
    /// What a server has to do about a request that comes now and that keeps `most` answers.
    pub(crate) fn turn(
        &mut self,
        who: ClientNo,
        (said, most): (Payment, usize),
        now: Time,
    ) -> Turn {
        let known = &mut self.keyed.known;
        known.retain(|_, it| it.ended.is_none_or(|(_, until)| now < until));
        match known.get(&(who, said.key)) {
            Some(it) if it.job != said.job => Turn::Other,
            Some(Known { ended: Some((paid, _)), .. }) => Turn::Known(*paid),
            Some(_) => Turn::Wait,
            None if known.len() >= most => Turn::Full,
            None => {
                known.insert((who, said.key), Known { job: said.job, ended: None });
                Turn::Run
            }
        }
    }

    /// A handler has ended.
    pub(crate) fn pays(&mut self, who: ClientNo, key: u64, paid: Paid, until: Time) {
        if let Paid::Done(effect) = paid {
            self.keyed.effects.entry((who, key)).or_default().insert(effect);
        }
        if paid == Paid::Untouched {
            self.keyed.known.remove(&(who, key));
        } else if let Some(known) = self.keyed.known.get_mut(&(who, key)) {
            known.ended = Some((paid, until));
        }
    }

    /// A request has its outcome. An answer is that of a handler that worked on this key.
    pub(crate) fn paid(
        &mut self,
        who: ClientNo,
        call: CallId,
        said: Payment,
        reply: &Reply,
    ) -> Result<(), Broken> {
        let Some(open) = self.calls.get_mut(&(who, call)) else {
            return Err(failure("I5", format!("an outcome of {call:?}, which was never made")));
        };
        hold("I5", !open.resolved, || format!("{call:?} has a second outcome {reply:?}"))?;
        open.resolved = true;
        let Reply::Ok(payload) = reply else { return Ok(()) };
        let effect = crate::contract::number(payload);
        let effects = self.keyed.effects.get(&(who, said.key));
        let is_its = effects.is_some_and(|effects| effects.contains(&effect));
        hold("I19", is_its, || format!("{said:?} is answered with {effect} of {effects:?}"))
    }

    /// What the node knew is gone with it.
    pub(super) fn forget_keys(&mut self) {
        self.keyed.known.clear();
    }
}
