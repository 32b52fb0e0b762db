//! What must hold, told by a model that is simpler than the core: a list of jobs per log, a place
//! per subscriber, a count per call.

mod keyed;

pub(crate) use keyed::{Paid, Turn};

use std::collections::{BTreeMap, BTreeSet};
use ws_proto::{
    Address, Delivery, MessageId, Position,
    frame::{Done, Gap, GapReason, NotRecovered},
};
use ws_runtime::session::{CallId, Delivered, Outcome, Reply};

use crate::contract::{number, spec_of};
use keyed::Keyed;

/// An invariant does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its name in the list of the crate's documentation.
    pub invariant: &'static str,
    /// What was seen.
    pub text: String,
}

pub(crate) type Checked = Result<(), Broken>;

/// A client by its number.
pub(crate) type ClientNo = usize;

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// By epoch: which job stands where.
    logs: BTreeMap<String, Log>,
    /// The epoch of each channel, as long as the node lives.
    epochs: BTreeMap<Address, String>,
    /// Best-effort events, in the order of publishing.
    passed: Vec<MessageId>,
    subscribers: BTreeMap<(ClientNo, Address), Subscriber>,
    calls: BTreeMap<(ClientNo, CallId), Call>,
    /// Jobs that a handler has started, and how often.
    started: BTreeMap<u64, u32>,
    keyed: Keyed,
}

#[derive(Debug, Default)]
struct Log {
    jobs: Vec<u64>,
    history: usize,
}

#[derive(Debug, Default)]
struct Subscriber {
    place: Place,
    at: Option<Position>,
    /// How many best-effort events were published before the next one that may come.
    passed: usize,
    /// How many best-effort events are missing before the next one; unknown where it is not told.
    missing: Option<u64>,
    /// The head of the log when the server took the subscriber in.
    head: u64,
    /// The position that a `$live` which has to come reaches at least.
    live: Option<u64>,
    /// A resume may bring another `$live`.
    is_resumed: bool,
}

/// What the application of a client knows of a subscription.
#[derive(Clone, Debug, Default, PartialEq)]
enum Place {
    #[default]
    Off,
    Asked(Option<Position>),
    On,
    Left,
    LeftToAskAgain(Option<Position>),
}

#[derive(Debug)]
struct Call {
    job: u64,
    items: u64,
    resolved: bool,
}

impl Oracle {
    /// A node has started: no log of the one before is left.
    pub(crate) fn node_started(&mut self) {
        self.epochs.clear();
        self.forget_keys();
    }

    /// An event was published; true when it is a repetition.
    pub(crate) fn published(
        &mut self,
        address: &Address,
        (id, job): (MessageId, u64),
        position: Option<&Position>,
        duplicate: bool,
    ) -> Checked {
        let Some(position) = position else {
            self.passed.push(id);
            return Ok(());
        };
        let log = self.log(address, &position.epoch)?;
        let kept = log.jobs.iter().enumerate().skip(log.floor());
        let before = kept.into_iter().find(|(_, other)| **other == job).map(|(at, _)| at as u64);
        let expected = before.unwrap_or(log.jobs.len() as u64) + 1;
        let good = duplicate == before.is_some() && position.off == expected;
        if !duplicate {
            log.jobs.push(job);
        }
        hold("I1", good, || format!("job {job} at {position:?}, expected at {expected}"))
    }

    /// A node answered a subscribe.
    pub(crate) fn entered(
        &mut self,
        who: ClientNo,
        address: &Address,
        since: Option<&Position>,
        done: &Done,
    ) -> Checked {
        let (Some(epoch), Some(off)) = (&done.epoch, done.off) else {
            let best_effort = spec_of(address).delivery == Delivery::BestEffort;
            return hold("I1", best_effort, || format!("{address}: no position in {done:?}"));
        };
        let log = self.log(address, epoch)?;
        let head = log.jobs.len() as u64;
        let expected = match since {
            None => (head, None, None),
            Some(since) if since.epoch != *epoch || since.off > head => {
                (head, Some(false), Some(NotRecovered::Epoch))
            }
            Some(since) if since.off < log.floor() as u64 => {
                (head, Some(false), Some(NotRecovered::Trimmed))
            }
            Some(since) => (since.off, Some(true), None),
        };
        let good = (off, done.recovered, done.reason) == expected;
        self.subscriber(who, address).head = head;
        hold("I1", good, || format!("{address}: {done:?} since {since:?}, expected {expected:?}"))
    }

    pub(crate) fn asks(&mut self, who: ClientNo, address: &Address, since: Option<Position>) {
        let subscriber = self.subscriber(who, address);
        subscriber.is_resumed = false;
        subscriber.place = match subscriber.place {
            Place::Left | Place::LeftToAskAgain(_) => Place::LeftToAskAgain(since),
            _ => Place::Asked(since),
        };
    }

    pub(crate) fn leaves(&mut self, who: ClientNo, address: &Address) {
        self.subscriber(who, address).place = Place::Left;
    }

    pub(crate) fn left(&mut self, who: ClientNo, address: &Address) -> Checked {
        let subscriber = self.subscriber(who, address);
        subscriber.place = match std::mem::take(&mut subscriber.place) {
            Place::Left => Place::Off,
            Place::LeftToAskAgain(since) => Place::Asked(since),
            place => return broken("I5", format!("{address}: left while {place:?}")),
        };
        Ok(())
    }

    /// The server ended or refused the subscription.
    pub(crate) fn ended(&mut self, who: ClientNo, address: &Address) -> Checked {
        let subscriber = self.subscriber(who, address);
        let place = std::mem::take(&mut subscriber.place);
        let good = matches!(place, Place::On | Place::Asked(_));
        hold("I5", good, || format!("{address}: ended while {place:?}"))
    }

    pub(crate) fn subscribed(&mut self, who: ClientNo, address: &Address, done: &Done) -> Checked {
        let passed = self.passed.len();
        let subscriber = self.subscriber(who, address);
        let since = match &subscriber.place {
            Place::On => subscriber.at.clone(),
            Place::Asked(since) => since.clone(),
            place => return broken("I5", format!("{address}: subscribed while {place:?}")),
        };
        let at = done.epoch.clone().zip(done.off).map(|(epoch, off)| Position { epoch, off });
        let good = done.recovered != Some(true) || at == since;
        let told = done.recovered.is_some() == (since.is_some() && at.is_some());
        // Best-effort events published before may still be on their way.
        subscriber.passed = subscriber.passed.min(passed);
        subscriber.missing = None;
        subscriber.live = (done.recovered == Some(true)).then_some(subscriber.head);
        subscriber.place = Place::On;
        subscriber.at = at;
        hold("I1", good && told, || format!("{address}: {done:?} answers {since:?}"))
    }

    /// The session of a client goes on: every replay is ended again.
    pub(crate) fn resumed(&mut self, who: ClientNo) {
        for ((_, _), subscriber) in self.subscribers.iter_mut().filter(|((no, _), _)| *no == who) {
            let is_on = subscriber.place == Place::On;
            subscriber.live = subscriber.at.as_ref().filter(|_| is_on).map(|at| at.off);
            subscriber.is_resumed = true;
        }
    }

    pub(crate) fn delivered(&mut self, who: ClientNo, event: &Delivered) -> Checked {
        let job = number(&event.payload);
        let address = &event.address;
        let subscriber = self.subscribers.entry((who, address.clone())).or_default();
        let is_on = subscriber.place == Place::On;
        hold("I2", is_on, || format!("job {job} on {address} while {:?}", subscriber.place))?;
        let Some(at) = &mut subscriber.at else {
            let rest = self.passed.iter().enumerate().skip(subscriber.passed);
            let found = rest.into_iter().find(|(_, other)| **other == event.id);
            hold("I3", found.is_some(), || format!("best-effort job {job} again"))?;
            let before = subscriber.passed;
            subscriber.passed = found.map_or(before, |(index, _)| index + 1);
            let missing = (subscriber.passed - before - 1) as u64;
            let told = subscriber.missing.replace(0);
            return hold("I1", told.is_none_or(|told| told == missing), || {
                format!("{missing} best-effort events are missing, told were {told:?}")
            });
        };
        let before = at.off;
        let off = event.off.unwrap_or_default();
        hold("I3", off > before, || format!("{address} {off} after {before}"))?;
        hold("I1", off == before + 1, || format!("{address} {off} after {before}, no gap"))?;
        at.off = off;
        let log = self.logs.get(&at.epoch);
        let stands = usize::try_from(before).ok().and_then(|index| log?.jobs.get(index));
        hold("I2", stands == Some(&job), || format!("{address} {off} is {stands:?}, not {job}"))
    }

    /// The application is told of a gap: exactly what it misses, and only what is not kept.
    pub(crate) fn gap(&mut self, who: ClientNo, address: &Address, gap: &Gap) -> Checked {
        let subscriber = self.subscribers.entry((who, address.clone())).or_default();
        let is_on = subscriber.place == Place::On;
        hold("I2", is_on, || format!("{gap:?} on {address} while {:?}", subscriber.place))?;
        let Some(at) = &mut subscriber.at else {
            let told = subscriber.missing.zip(gap.dropped);
            subscriber.missing = told.map(|(before, more)| before + more);
            return hold("I1", gap.reason == GapReason::Slow, || format!("{address}: {gap:?}"));
        };
        let until = gap.until.unwrap_or_default();
        let exact = gap.after == Some(at.off) && until > at.off;
        let floor = self.logs.get(&at.epoch).map_or(0, Log::floor) as u64;
        hold("I1", exact && until <= floor, || {
            format!("{address}: {gap:?} at {}, kept after {floor}", at.off)
        })?;
        at.off = until;
        Ok(())
    }

    pub(crate) fn live(&mut self, who: ClientNo, address: &Address, off: u64) -> Checked {
        let at = self.position(who, address).map(|at| at.off);
        hold("I2", at.is_some_and(|at| off <= at), || format!("{address}: live {off} at {at:?}"))?;
        let subscriber = self.subscriber(who, address);
        let owed = subscriber.live.take();
        let good = owed.map_or(subscriber.is_resumed, |owed| off >= owed);
        hold("I2", good, || format!("{address}: live {off}, expected {owed:?}"))
    }

    /// The last position that the application of a client knows.
    pub(crate) fn position(&self, who: ClientNo, address: &Address) -> Option<&Position> {
        self.subscribers.get(&(who, address.clone()))?.at.as_ref()
    }

    /// Whether a client may ask for a channel.
    pub(crate) fn is_off(&self, who: ClientNo, address: &Address) -> bool {
        let subscriber = self.subscribers.get(&(who, address.clone()));
        subscriber.is_none_or(|it| matches!(it.place, Place::Off | Place::Left))
    }

    /// Whether a client has everything of a channel.
    pub(crate) fn is_caught_up(&self, who: ClientNo, address: &Address) -> bool {
        let Some(subscriber) = self.subscribers.get(&(who, address.clone())) else { return false };
        let Some(at) = &subscriber.at else { return subscriber.place == Place::On };
        let log = self.logs.get(&at.epoch);
        subscriber.place == Place::On
            && subscriber.live.is_none()
            && self.epochs.get(address) == Some(&at.epoch)
            && log.is_some_and(|log| log.jobs.len() as u64 == at.off)
    }

    pub(crate) fn calls(&mut self, who: ClientNo, call: CallId, job: u64) {
        self.calls.insert((who, call), Call { job, items: 0, resolved: false });
    }

    /// A handler starts. Nothing that the application asked once is worked on twice.
    pub(crate) fn starts(&mut self, job: u64) -> Checked {
        let count = self.started.entry(job).or_default();
        *count += 1;
        hold("I4", *count == 1, || format!("job {job} was started {count} times"))
    }

    pub(crate) fn was_started(&self, job: u64) -> bool {
        self.started.contains_key(&job)
    }

    pub(crate) fn item(&mut self, who: ClientNo, call: CallId, index: u64) -> Checked {
        let Some(call) = self.calls.get_mut(&(who, call)).filter(|call| !call.resolved) else {
            return broken("I5", format!("an item of {call:?}, which is over"));
        };
        call.items += 1;
        hold("I2", index + 1 == call.items, || format!("item {index} of job {}", call.job))
    }

    /// A call has its outcome; gives its job.
    pub(crate) fn resolved(
        &mut self,
        who: ClientNo,
        call: CallId,
        reply: &Reply,
        items: u64,
    ) -> Result<u64, Broken> {
        let Some(open) = self.calls.get_mut(&(who, call)) else {
            return Err(failure("I5", format!("an outcome of {call:?}, which was never made")));
        };
        hold("I5", !open.resolved, || format!("{call:?} has a second outcome {reply:?}"))?;
        open.resolved = true;
        let started = self.started.get(&open.job).copied().unwrap_or_default();
        let job = open.job;
        match reply {
            Reply::Ok(payload) => {
                let answered = number(payload);
                hold("I5", answered == job, || format!("job {job} got the answer of {answered}"))?;
                hold("I4", started >= 1, || format!("job {job} was answered, never started"))?;
                let got = open.items;
                hold("I1", got == items, || format!("job {job}: {got} items of {items}"))?;
            }
            Reply::Published(done) => {
                let (Some(epoch), Some(off)) = (&done.epoch, done.off) else { return Ok(job) };
                let log = self.logs.get(epoch);
                let at = usize::try_from(off - 1).ok().and_then(|index| log?.jobs.get(index));
                hold("I6", at == Some(&job), || format!("job {job} is not at {off}: {at:?}"))?;
            }
            Reply::Timeout(Outcome::NotSent)
            | Reply::Lost(Outcome::NotSent)
            | Reply::Fault(_, Outcome::NotSent | Outcome::NotProcessed) => {
                hold("I4", started == 0, || format!("job {job} was started: {reply:?}"))?;
            }
            _ => {}
        }
        Ok(job)
    }

    pub(crate) fn all_resolved(&self) -> Checked {
        let open: BTreeSet<_> =
            self.calls.values().filter(|call| !call.resolved).map(|call| call.job).collect();
        hold("I5", open.is_empty(), || format!("jobs without an outcome: {open:?}"))
    }

    fn subscriber(&mut self, who: ClientNo, address: &Address) -> &mut Subscriber {
        self.subscribers.entry((who, address.clone())).or_default()
    }

    fn log(&mut self, address: &Address, epoch: &str) -> Result<&mut Log, Broken> {
        let known = self.epochs.entry(address.clone()).or_insert_with(|| epoch.to_owned());
        hold("I1", known == epoch, || format!("{address}: epoch {epoch} after {known}"))?;
        let history = spec_of(address).history as usize;
        let log = self.logs.entry(epoch.to_owned()).or_default();
        log.history = history;
        Ok(log)
    }
}

impl Log {
    fn floor(&self) -> usize {
        self.jobs.len().saturating_sub(self.history)
    }
}

pub(crate) fn hold(invariant: &'static str, good: bool, text: impl FnOnce() -> String) -> Checked {
    if good { Ok(()) } else { broken(invariant, text()) }
}

pub(crate) fn broken(invariant: &'static str, text: String) -> Checked {
    Err(failure(invariant, text))
}

pub(crate) fn failure(invariant: &'static str, text: String) -> Broken {
    Broken { invariant, text }
}
