//! The load of one connection.

use super::{payload::Payload, tally::Tally};
use crate::{
    ask::CREDIT,
    documents::Failure,
    lasting::{Lasting, News},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};
use ws_proto::{Address, Format, Raw};
use ws_runtime::session::{Call, CallId, Command, Event, Reply};

/// When to look again whether a session that was full has room.
const LOOK: Duration = Duration::from_millis(5);

/// How far the whole load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Nothing more is asked; answers are waited for.
    Settling,
    Over,
}

/// What all connections do together.
#[derive(Debug)]
pub(super) struct Plan {
    /// How many requests in all.
    pub(super) requests: Option<u64>,
    /// How many were asked.
    pub(super) asked: AtomicU64,
    /// Requests due each second; the closed model where there is none.
    pub(super) rate: Option<f64>,
    /// Connections that ask.
    pub(super) callers: u32,
    /// Requests of one connection without an answer.
    pub(super) in_flight: usize,
    /// Connections that still ask, or wait for answers.
    pub(super) busy: AtomicU32,
    /// One of them no longer does.
    pub(super) rested: Notify,
}

/// What is asked: a call without its number and payload, and the payload.
#[derive(Debug)]
pub(super) struct Request {
    call: Call,
    payload: Payload,
}

/// One connection, and what it does.
pub(super) struct Load {
    plan: Arc<Plan>,
    c: u32,
    live: Lasting,
    call: Option<Request>,
    first: Option<Request>,
    channels: Vec<Address>,
    tally: Arc<Mutex<Tally>>,
    /// When each call without an answer was due.
    open: HashMap<u64, Instant>,
    calls: u64,
    /// Nothing more is asked.
    is_done: bool,
    is_away: bool,
}

impl Request {
    pub(super) fn new(kind: &str, payload: Payload, streams: bool, timeout: Duration) -> Self {
        let call = Call {
            call: CallId(0),
            kind: kind.into(),
            payload: Raw::null(Format::Json),
            ttl: Some(timeout),
            key: None,
            versions: (1, None),
            credit: if streams { CREDIT } else { 0 },
        };
        Self { call, payload }
    }

    fn command(&self, call: u64, n: u64) -> Result<Command, Failure> {
        let payload = self.payload.of_request(n)?;
        let call = Call { call: CallId(call), payload, ..self.call.clone() };
        Ok(Command::Call(Box::new(call)))
    }
}

impl Load {
    pub(super) fn new(
        plan: Arc<Plan>,
        c: u32,
        live: Lasting,
        [call, first]: [Option<Request>; 2],
        channels: Vec<Address>,
        tally: Arc<Mutex<Tally>>,
    ) -> Self {
        let (open, is_done) = (HashMap::new(), call.is_none());
        let (calls, is_away) = (0, false);
        Self { plan, c, live, call, first, channels, tally, open, calls, is_done, is_away }
    }

    /// Where it counts.
    pub(super) fn tally(&self) -> Arc<Mutex<Tally>> {
        Arc::clone(&self.tally)
    }

    /// What it does together with the others.
    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan)
    }

    /// Messages a second that the server takes of this connection, if it asks.
    pub(super) fn messages_per_s(&mut self) -> Option<u32> {
        self.call.as_ref()?;
        Some(self.live.live().welcome()?.limits.rate.per_s)
    }

    /// Asks what comes first, and subscribes.
    pub(super) async fn prepare(&mut self) -> Result<(), Failure> {
        let c = self.c;
        let failed =
            move |what: String| Failure::Live(format!("connection {}: {what}", u64::from(c) + 1));
        if let Some(first) = &self.first {
            self.live.live().tell(first.command(0, 0)?)?;
            let reply = loop {
                match self.live.next().await {
                    News::Event(Event::Answered(_, reply)) => break reply,
                    News::Event(Event::Item(call, _)) => {
                        self.live.live().tell(Command::Credit(call, 1))?;
                    }
                    News::Event(_) => {}
                    News::Away(failure, _) => return Err(failed(failure.to_string())),
                }
            };
            match reply {
                Reply::Ok(_) => {}
                Reply::Err(error) => {
                    let error: serde_json::Value = crate::ask::value(&error)?;
                    return Err(failed(format!("its first request failed: {error}")));
                }
                other => return Err(failed(format!("its first request failed: {other:?}"))),
            }
        }
        for address in &self.channels {
            self.live.live().tell(Command::Subscribe(address.clone(), None))?;
            loop {
                match self.live.next().await {
                    News::Event(Event::Subscribed(..)) => break,
                    News::Event(Event::NotSubscribed(address, fault)) => {
                        return Err(failed(format!("{} was refused: {fault}", address.as_str())));
                    }
                    News::Event(_) => {}
                    News::Away(failure, _) => return Err(failed(failure.to_string())),
                }
            }
        }
        Ok(())
    }

    /// Runs until the load is over and every answer is there, or nobody waits for it any more.
    pub(super) async fn run(mut self, start: Instant, mut phases: watch::Receiver<Phase>) {
        let before = self.live.live().traffic();
        let mut ended_at = None;
        let mut is_busy = self.call.is_some();
        loop {
            let phase = *phases.borrow_and_update();
            let wake = match phase {
                Phase::Over => break,
                Phase::Running => self.ask(start),
                Phase::Settling => {
                    if ended_at.is_none() {
                        ended_at = Some(Instant::now());
                        // What was due in the last moment is asked still.
                        if self.plan.rate.is_some() {
                            self.ask(start);
                        }
                    }
                    self.is_done = true;
                    None
                }
            };
            if is_busy && self.is_done && self.open.is_empty() {
                is_busy = false;
                self.plan.rest();
            }
            if !is_busy && self.channels.is_empty() {
                break;
            }
            let look = wake.unwrap_or_else(Instant::now);
            tokio::select! {
                news = self.live.next() => if !self.hear(news, phase) {
                    break;
                },
                // Nobody tells any more where the whole load is gone.
                changed = phases.changed() => if changed.is_err() {
                    break;
                },
                () = sleep_until(look), if wake.is_some() => {}
            }
        }
        if is_busy {
            self.plan.rest();
        }
        let unsent = self.unsent(start, ended_at);
        let after = self.live.live().traffic();
        {
            let unanswered = self.open.len() as u64;
            let mut tally = self.count();
            tally.unanswered += unanswered;
            tally.unsent += unsent;
            tally.sent += after.sent - before.sent;
            tally.received += after.received - before.received;
        }
        self.live.close().await;
    }

    /// Asks what may be asked now; when to look again, if not for an answer.
    fn ask(&mut self, start: Instant) -> Option<Instant> {
        loop {
            if self.is_done || self.open.len() >= self.plan.in_flight {
                return None;
            }
            let now = Instant::now();
            let due = self.due(start);
            if let Some(due) = due.filter(|due| *due > now) {
                return Some(due);
            }
            if !self.live.live().has_room() {
                return Some(now + LOOK);
            }
            let n = self.plan.asked.fetch_add(1, Ordering::Relaxed);
            if self.plan.requests.is_some_and(|requests| n >= requests) {
                self.is_done = true;
                return None;
            }
            let command = self.call.as_ref().map(|call| call.command(self.calls + 1, n));
            let told = command.map(|command| self.live.live().tell(command?));
            self.calls += 1;
            match told {
                Some(Ok(())) => {
                    self.open.insert(self.calls, due.unwrap_or(now));
                    self.count().asked += 1;
                }
                Some(Err(failure)) => {
                    self.count().ended(failure.to_string());
                    self.is_done = true;
                    return None;
                }
                None => return None,
            }
        }
    }

    /// Open model: when this connection's next request is due.
    fn due(&self, start: Instant) -> Option<Instant> {
        self.plan.due(start, self.c, self.calls)
    }

    /// Open model: requests that were due before the end and never asked.
    fn unsent(&self, start: Instant, ended_at: Option<Instant>) -> u64 {
        let (Some(end), Some(_)) = (ended_at, &self.call) else { return 0 };
        let mut unsent = 0;
        while self.plan.due(start, self.c, self.calls + unsent).is_some_and(|due| due < end) {
            unsent += 1;
        }
        unsent
    }

    /// Counts what happened; false when nothing more will.
    fn hear(&mut self, news: News, phase: Phase) -> bool {
        let event = match news {
            News::Event(event) => event,
            News::Away(_, Some(_)) => {
                // Each attempt that fails says so, too.
                if !std::mem::replace(&mut self.is_away, true) {
                    self.count().lost += 1;
                }
                return true;
            }
            News::Away(failure, None) => {
                self.count().ended(failure.to_string());
                return false;
            }
        };
        match event {
            Event::Answered(CallId(call), reply) => {
                if let Some(due) = self.open.remove(&call) {
                    self.count().answered(&reply, due.elapsed(), phase != Phase::Running);
                }
            }
            Event::Item(call, _) => {
                self.count().items += 1;
                // A call that is over needs no credit.
                let _ = self.live.live().tell(Command::Credit(call, 1));
            }
            Event::Delivered(event) => {
                self.count().events += 1;
                if let Some(off) = event.off {
                    // A subscription that is over needs no acknowledgement.
                    let _ = self.live.live().tell(Command::Consumed(event.address.clone(), off));
                }
            }
            Event::Gap(..) => self.count().gaps += 1,
            Event::Welcome(_) => {
                self.is_away = false;
                self.count().back += 1;
            }
            Event::NotSubscribed(address, fault) => {
                self.count().ended(format!("{}: {fault}", address.as_str()));
            }
            Event::SubscriptionEnded(address, why) => {
                self.count().ended(format!("{}: {}", address.as_str(), why.reason));
            }
            _ => {}
        }
        true
    }

    fn count(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    /// Until nobody asks, or waits for an answer, any more.
    pub(super) async fn all_rested(&self) {
        while self.busy.load(Ordering::Acquire) > 0 {
            self.rested.notified().await;
        }
    }

    fn rest(&self) {
        self.busy.fetch_sub(1, Ordering::AcqRel);
        self.rested.notify_one();
    }

    /// When the `k`th request of a connection is due: connections take turns.
    fn due(&self, start: Instant, c: u32, k: u64) -> Option<Instant> {
        let turn = u32::try_from(k).map_or(f64::from(u32::MAX), f64::from);
        let place = turn * f64::from(self.callers) + f64::from(c);
        let after = Duration::try_from_secs_f64(place / self.rate?).unwrap_or(Duration::MAX);
        Some(start.checked_add(after).unwrap_or_else(|| start + Duration::from_secs(1 << 30)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_take_turns_at_the_rate_of_all() {
        let plan = Plan {
            requests: None,
            asked: AtomicU64::new(0),
            rate: Some(100.0),
            callers: 4,
            in_flight: 1,
            busy: AtomicU32::new(4),
            rested: Notify::new(),
        };
        let start = Instant::now();
        let mut due: Vec<_> = (0..4)
            .flat_map(|c| (0..5).map(move |k| (c, k)))
            .filter_map(|(c, k)| plan.due(start, c, k))
            .map(|due| (due - start).as_millis())
            .collect();
        due.sort_unstable();
        assert_eq!(due, (0..20).map(|n| n * 10).collect::<Vec<_>>());
        assert_eq!(Plan { rate: None, ..plan }.due(start, 0, 1), None);
    }
}
