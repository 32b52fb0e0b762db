//! What stands between a client and a server: carries messages, and lets them meet their fate.

use super::{
    fate::{Fate, How, Toward},
    faults::Journal,
};
use crate::transport::{Received, Transport, memory::Memory};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};
use ws_proto::CloseCode;

/// Bytes on their way in one direction; past it the sender waits, as before a full socket.
const LANE: usize = 256 * 1024;
const BOTH: [Toward; 2] = [Toward::Server, Toward::Client];

/// One connection through the faults.
pub(super) struct Carrier {
    /// Who sends toward the server, and who toward the client; none when it is gone.
    ends: [Option<Memory>; 2],
    lanes: [Lane; 2],
    fate: Fate,
    journal: Arc<Journal>,
    /// What the journal calls this connection.
    name: String,
    sleep: Pin<Box<Sleep>>,
}

/// One direction.
#[derive(Default)]
struct Lane {
    parcels: VecDeque<(Instant, Parcel)>,
    bytes: usize,
    /// Messages taken in.
    taken: u32,
    /// Nothing arrives before what was sent before it.
    latest: Option<Instant>,
    /// What is sent from here on is lost, and nobody is told.
    dead: bool,
    /// The sender says nothing more.
    over: bool,
}

enum Parcel {
    Message(Bytes),
    Goodbye(Option<CloseCode>, String),
    /// The sender is gone.
    Lost,
}

/// The connection is over.
struct Over;

impl Carrier {
    pub(super) fn new(
        client: Memory,
        server: Memory,
        fate: Fate,
        journal: Arc<Journal>,
        name: String,
    ) -> Self {
        let sleep = Box::pin(sleep_until(Instant::now()));
        let ends = [Some(client), Some(server)];
        Self { ends, lanes: Default::default(), fate, journal, name, sleep }
    }

    /// Carries until both ends are gone.
    pub(super) async fn run(mut self) {
        if let Some((to, parcel)) = poll_fn(|cx| self.poll(cx)).await {
            self.part(to, parcel).await;
        }
    }

    /// Ready when the connection is over, or when one end has said goodbye to the other.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Toward, Parcel)>> {
        loop {
            let mut moved = false;
            for toward in BOTH {
                match self.take(cx, toward) {
                    Ok(taken) => moved |= taken,
                    Err(Over) => return Poll::Ready(None),
                }
            }
            for toward in BOTH {
                match self.bring(cx, toward) {
                    Ok(brought) => moved |= brought,
                    Err(last) => return Poll::Ready(Some((toward, last))),
                }
            }
            for (end, lane) in self.ends.iter_mut().zip(&self.lanes) {
                // What it said last is lost: there is nobody to answer its goodbye.
                if lane.over && lane.parcels.is_empty() {
                    *end = None;
                }
            }
            if self.ends.iter().all(Option::is_none) {
                return Poll::Ready(None);
            }
            if !moved && self.poll_due(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Takes what one end sends, as far as there is room; true when there was anything.
    fn take(&mut self, cx: &mut Context<'_>, toward: Toward) -> Result<bool, Over> {
        let mut any = false;
        while !self.lanes[toward.index()].over && self.lanes[toward.index()].bytes < LANE {
            let Some(from) = &mut self.ends[toward.index()] else { break };
            let Poll::Ready(received) = from.poll_recv(cx) else { break };
            any = true;
            match received {
                Received::Message(message) => {
                    let is_late = self.meet(toward)?;
                    self.send(toward, Parcel::Message(message));
                    if is_late {
                        self.leave_late();
                    }
                }
                Received::Closed { code, reason } => {
                    self.send(toward, Parcel::Goodbye(code, reason));
                    self.lanes[toward.index()].over = true;
                }
                _ => {
                    self.send(toward, Parcel::Lost);
                    self.lanes[toward.index()].over = true;
                    self.ends[toward.index()] = None;
                }
            }
        }
        Ok(any)
    }

    /// Lets the fault happen that the next message in this direction meets; true when the client is
    /// gone behind it.
    fn meet(&mut self, toward: Toward) -> Result<bool, Over> {
        let lane = &mut self.lanes[toward.index()];
        let number = lane.taken;
        lane.taken += 1;
        let is_calm = self.journal.is_calm();
        let stall = self.fate.stall.take_if(|hit| (hit.toward, hit.message) == (toward, number));
        if let Some(hit) = stall.filter(|_| !is_calm) {
            self.hold(toward, hit.what);
            let what = format!("stalls for {:.1?} {toward}, at message {number}", hit.what);
            self.journal.note(&self.name, &what, |counts| counts.stalls += 1);
        }
        let end = self.fate.end.take_if(|hit| (hit.toward, hit.message) == (toward, number));
        let Some(hit) = end.filter(|_| !is_calm) else { return Ok(false) };
        let what = format!("{} {toward}, at message {number}", hit.what);
        self.journal.note(&self.name, &what, |counts| *counts.of(hit.what) += 1);
        match hit.what {
            How::Cut => return Err(Over),
            How::HalfOpen => self.lanes.iter_mut().for_each(Lane::die),
            How::OneWay => self.lanes[toward.index()].dead = true,
            How::Late => {}
        }
        Ok(hit.what == How::Late)
    }

    /// The client loses the connection; the server hears its last messages late, and nothing more.
    fn leave_late(&mut self) {
        self.ends[Toward::Server.index()] = None;
        self.lanes[Toward::Client.index()].die();
        self.hold(Toward::Server, self.fate.late);
        self.send(Toward::Server, Parcel::Lost);
        self.lanes[Toward::Server.index()].over = true;
    }

    /// Nothing arrives in this direction for this long.
    fn hold(&mut self, toward: Toward, long: Duration) {
        let until = Instant::now() + long;
        let lane = &mut self.lanes[toward.index()];
        lane.latest = lane.latest.max(Some(until));
        for (at, _) in &mut lane.parcels {
            *at = until.max(*at);
        }
    }

    fn send(&mut self, toward: Toward, parcel: Parcel) {
        let is_delayed = !self.fate.delay.is_zero() && !self.journal.is_calm();
        let lane = &mut self.lanes[toward.index()];
        if lane.dead || lane.over {
            return;
        }
        let now = Instant::now();
        let mut at = now;
        if is_delayed {
            at += self.fate.delay.mul_f64(self.fate.random.f64());
            self.journal.count(|counts| counts.delays += 1);
        }
        let at = lane.latest.map_or(at, |latest| at.max(latest));
        lane.latest = Some(at);
        lane.bytes += parcel.bytes();
        lane.parcels.push_back((at, parcel));
    }

    /// Hands over what is due; true when there was anything, and the goodbye when it is its turn.
    fn bring(&mut self, cx: &mut Context<'_>, toward: Toward) -> Result<bool, Parcel> {
        let mut any = false;
        let lane = &mut self.lanes[toward.index()];
        while lane.parcels.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            let Some(to) = &mut self.ends[1 - toward.index()] else {
                lane.parcels.clear();
                lane.bytes = 0;
                break;
            };
            if matches!(lane.parcels.front(), Some((_, Parcel::Message(_)))) {
                match to.poll_ready(cx) {
                    Poll::Pending => break,
                    Poll::Ready(_) => any = true,
                }
            }
            let Some((_, parcel)) = lane.parcels.pop_front() else { break };
            lane.bytes -= parcel.bytes();
            match parcel {
                // Whoever is gone is seen when it is read.
                Parcel::Message(message) => drop(to.start_send(&message)),
                last => return Err(last),
            }
        }
        Ok(any)
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let fronts = self.lanes.iter().filter_map(|lane| Some(lane.parcels.front()?.0));
        // What is due already waits for its reader.
        let Some(next) = fronts.filter(|at| *at > now).min() else { return Poll::Pending };
        self.sleep.as_mut().reset(next);
        self.sleep.as_mut().poll(cx)
    }

    /// The last thing that one end says; then both are let go.
    async fn part(mut self, toward: Toward, last: Parcel) {
        let Parcel::Goodbye(code, reason) = last else { return };
        if let Some(mut to) = self.ends[1 - toward.index()].take() {
            let words = code.map(|code| (code, &*reason));
            poll_fn(|cx| to.poll_close(cx, words)).await;
        }
        if let Some(mut from) = self.ends[toward.index()].take() {
            poll_fn(|cx| from.poll_close(cx, None)).await;
        }
    }
}

impl Lane {
    fn die(&mut self) {
        self.dead = true;
        self.parcels.clear();
        self.bytes = 0;
    }
}

impl Parcel {
    fn bytes(&self) -> usize {
        if let Self::Message(message) = self { message.len() } else { 0 }
    }
}
