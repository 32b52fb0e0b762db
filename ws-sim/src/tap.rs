//! What one session says and hears, judged frame by frame by `docs/protocol.md` alone.
//!
//! The oracle sees what reaches the applications; the tap sees the wire. What a session does not
//! repeat, acknowledge, count or wait for is seen here first, also where it does no harm yet.

mod channels;
mod messages;
mod renewal;
mod stream;

use crate::{
    net::End,
    oracle::{Broken, Checked, broken, hold},
};
use channels::Channels;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use stream::{Stream, Talk};
use ws_proto::{Address, CloseCode, Envelope, Frame, MessageId, frame::Ack};
use ws_runtime::session::{Closed, Initiator, Time, Transmit};

/// How long what was received may stay unacknowledged.
const ACK_DELAY: Duration = Duration::from_millis(250);

/// The place of a tap, and what the session behind it has agreed to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) end: End,
    /// Frames that it may have sent without an acknowledgement.
    pub(crate) unacked: usize,
    /// Parts of one upload that a server may have asked for.
    pub(crate) upload_window: u32,
    /// Silence after which the peer is dead: the interval and the timeout.
    pub(crate) silence: Duration,
}

#[derive(Debug)]
pub(crate) struct Tap {
    terms: Terms,
    stream: Stream,
    talk: Talk,
    channels: Channels,
    may_blame: bool,
    blamed: Option<CloseCode>,
    /// The first thing that was wrong.
    broken: Option<Broken>,
    /// Deadlines of the application's requests, by job.
    deadlines: BTreeMap<u64, Option<Time>>,
    /// Requests and publications of the application that have left, by job.
    left: BTreeMap<u64, MessageId>,
    /// Requests that nobody waits for, and whose `$cancel` has not left.
    given_up: BTreeSet<MessageId>,
    /// Requests whose cancellation has come.
    cancelled: Vec<MessageId>,
    /// When requests that came with a `ttl` are over.
    overdue: BTreeMap<MessageId, Time>,
    /// Answers that the application has given and that have not left.
    promised: BTreeSet<MessageId>,
    /// What has had its terminal answer.
    answered: BTreeSet<MessageId>,
    /// Credit that has come and was not used; at a client what it may still give. By request.
    credit: BTreeMap<MessageId, u64>,
    /// Parts of an upload that were asked for and have not come, or not left. By request.
    parts: BTreeMap<MessageId, u64>,
    /// Uploads whose end has left.
    ended: BTreeSet<MessageId>,
    /// Places of requests that are acknowledged when they were handled, by id.
    saves: BTreeMap<MessageId, u64>,
    /// Those of them that a handler works on.
    unhandled: BTreeMap<MessageId, u64>,
}

impl Tap {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            stream: Stream::default(),
            talk: Talk::default(),
            channels: Channels::default(),
            may_blame: false,
            blamed: None,
            broken: None,
            deadlines: BTreeMap::new(),
            left: BTreeMap::new(),
            given_up: BTreeSet::new(),
            cancelled: Vec::new(),
            overdue: BTreeMap::new(),
            promised: BTreeSet::new(),
            answered: BTreeSet::new(),
            credit: BTreeMap::new(),
            parts: BTreeMap::new(),
            ended: BTreeSet::new(),
            saves: BTreeMap::new(),
            unhandled: BTreeMap::new(),
        }
    }

    /// The application asks; its message may be worked on until then.
    pub(crate) fn asks(&mut self, job: u64, deadline: Option<Time>) {
        self.deadlines.insert(job, deadline);
        self.left.remove(&job);
    }

    /// Whether the message that carries this job has left.
    pub(crate) fn has_left(&self, job: u64) -> bool {
        self.left.contains_key(&job)
    }

    /// Nobody waits for the answer of this job any more: the server has to be told.
    pub(crate) fn gives_up(&mut self, job: u64) {
        let of_session = |id: &&MessageId| self.stream.sent.values().any(|(sent, ..)| sent == *id);
        self.given_up.extend(self.left.get(&job).filter(of_session));
    }

    pub(crate) fn owes_cancels(&self) -> bool {
        !self.given_up.is_empty()
    }

    /// The application consumed events up to this position.
    pub(crate) fn consumes(&mut self, address: &Address, off: u64) {
        self.channels.consumes(address, off);
    }

    /// A new subscription: what was consumed of the one before counts no more.
    pub(crate) fn subscribed(&mut self, address: &Address) {
        self.channels.forget_consumed(address);
    }

    /// When the time of a request is over that has come.
    pub(crate) fn deadline_of(&self, id: MessageId) -> Option<Time> {
        self.overdue.get(&id).copied()
    }

    /// A handler works on this request.
    pub(crate) fn starts(&mut self, id: MessageId) {
        self.unhandled.extend(self.saves.get_key_value(&id));
    }

    /// The application has given its answer; with `awaited`, it has to leave.
    pub(crate) fn answers(&mut self, id: MessageId, awaited: bool, now: Time) {
        let was_held = self.unhandled.remove(&id).is_some();
        self.is_handled(id, was_held, now);
        if awaited {
            self.promised.insert(id);
        }
    }

    /// Whether everything that the application answered has left.
    pub(crate) fn has_kept_promises(&self) -> bool {
        self.promised.is_empty()
    }

    /// Requests whose `$cancel` has come since the last time.
    pub(crate) fn take_cancelled(&mut self) -> Vec<MessageId> {
        std::mem::take(&mut self.cancelled)
    }

    /// Channels of which nothing may be sent before they are authorized again.
    pub(crate) fn bar(&mut self, barred: &BTreeSet<Address>) {
        self.channels.bar(barred);
    }

    /// The session goes on over another connection; the peer has frames up to this place.
    pub(crate) fn resumes(&mut self, recv: u64, now: Time) {
        self.talk = Talk { next: Some(recv + 1), heard: now, ..Talk::default() };
        self.stream.acked = self.stream.acked.max(recv);
        self.channels.resumes();
    }

    /// The server takes credentials that expire, and count up to a later moment.
    pub(crate) fn grants(&mut self, ends: Option<(Time, Time)>) {
        self.talk.renewal.grants(ends);
    }

    /// The server decides about credentials, or has accepted them.
    pub(crate) fn decides_who(&mut self, is_deciding: bool, accepted: bool) {
        self.talk.renewal.decides(is_deciding, accepted);
    }

    /// The application of a client brings other credentials.
    pub(crate) fn brings(&mut self, now: Time) -> Checked {
        self.talk.renewal.brings(now)
    }

    /// The application of a client is asked for other credentials.
    pub(crate) fn is_asked_who(&mut self) {
        self.talk.renewal.asks();
    }

    /// The highest place that was sent.
    pub(crate) fn top(&self) -> u64 {
        self.stream.sent.last_key_value().map_or(0, |(top, _)| *top)
    }

    /// The last place that was received without a hole.
    pub(crate) fn got(&self) -> u64 {
        self.stream.got
    }

    /// The session is given a frame behind the back of the tap, and may find its peer wrong.
    pub(crate) fn expects_blame(&mut self, now: Time) {
        self.talk.heard = now;
        self.may_blame = true;
    }

    /// The code with which the session closed for a fault of its peer.
    pub(crate) fn blamed(&self) -> Option<CloseCode> {
        self.blamed
    }

    /// The transport is gone.
    pub(crate) fn is_cut(&mut self) {
        self.talk.cut = true;
    }

    /// The connection is over.
    pub(crate) fn ended(&mut self, closed: &Closed, now: Time) -> Checked {
        let Talk { heard, said_bye, cut, renewal, .. } = std::mem::take(&mut self.talk);
        let by_us = matches!(closed.by, Initiator::Session | Initiator::Application);
        hold("I15", said_bye || cut || !by_us, || format!("{closed:?}, and the peer is not told"))?;
        if closed.by != Initiator::Session {
            return Ok(());
        }
        if closed.code == CloseCode::TOKEN_EXPIRED {
            renewal.ended(now)?;
        }
        let silent = now - heard;
        let early = closed.code == CloseCode::HEARTBEAT_MISSED && silent < self.terms.silence;
        hold("I12", !early, || format!("called dead after {silent:?}"))?;
        let blames = [
            CloseCode::SEQUENCE_FAULT,
            CloseCode::MALFORMED,
            CloseCode::NO_HELLO,
            CloseCode::SECOND_HELLO,
            CloseCode::RATE_LIMITED,
            CloseCode::TOO_LARGE,
            CloseCode::WRONG_FORMAT,
        ];
        let blame = Some(closed.code).filter(|code| blames.contains(code));
        self.blamed = blame;
        hold("I15", self.may_blame || blame.is_none(), || {
            format!("{closed:?}, and the peer did nothing wrong")
        })
    }

    /// Gives what was wrong so far. Asked when a session has sent all that the socket takes.
    pub(crate) fn check(&mut self, now: Time, has_room: bool, is_open: bool) -> Checked {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        if !is_open {
            return Ok(());
        }
        self.talk.renewal.check(now, has_room)?;
        let silent = now - self.talk.heard;
        hold("I12", silent <= self.terms.silence, || format!("silent for {silent:?}"))?;
        if !has_room {
            return Ok(());
        }
        let unanswered = self.talk.pings.len();
        hold("I12", unanswered == 0, || format!("{unanswered} pings are not answered"))?;
        let owed = self.stream.owed_since;
        let owed = owed.filter(|_| self.saves.is_empty() && self.unhandled.is_empty());
        let late = owed.is_some_and(|since| now - since > ACK_DELAY);
        let Stream { got, told, .. } = self.stream;
        hold("I6", !late, || format!("{got} came {owed:?}, {told} is acknowledged"))
    }

    /// A frame came, and the session is open to it.
    pub(crate) fn hears(&mut self, envelope: &Envelope, now: Time) {
        self.talk.heard = now;
        let checked = self.judge_heard(envelope, now);
        self.keep(checked);
        match self.terms.end {
            End::Client => self.talk.renewal.client_hears(envelope, now),
            End::Server => self.talk.renewal.server_hears(envelope),
        }
    }

    /// A frame leaves.
    pub(crate) fn sends(&mut self, transmit: &Transmit, now: Time) {
        let checked = match transmit {
            Transmit::Envelope(envelope) => self.judge_sent(envelope, now),
            Transmit::Shared(event) => {
                self.must_not_wait("an event").and_then(|()| self.channels.event(&event.head))
            }
            Transmit::Batch(_) => broken("I17", "a batch is taken apart before".to_owned()),
        };
        self.keep(checked);
    }

    fn keep(&mut self, checked: Checked) {
        if let Err(broken) = checked {
            self.broken.get_or_insert(broken);
        }
    }

    fn judge_heard(&mut self, envelope: &Envelope, now: Time) -> Checked {
        let Envelope { head, frame } = envelope;
        match frame {
            Frame::Welcome(welcome) if welcome.session.resumed => {
                self.resumes(welcome.recv, now);
                return Ok(());
            }
            // Its session began with the hello.
            Frame::Welcome(_) if self.talk.is_early => self.talk.is_early = false,
            Frame::Welcome(_) => {
                self.begins_anew();
                self.talk = Talk { next: Some(1), heard: now, ..Talk::default() };
                return Ok(());
            }
            Frame::Ping(ping) => self.talk.pings.push_back(ping.t),
            _ => {}
        }
        if let Some(ack) = head.ack {
            let top = self.top();
            hold("I6", ack <= top, || format!("the peer acknowledges {ack}, sent was {top}"))?;
            self.stream.acked = self.stream.acked.max(ack);
        }
        let Some(seq) = head.seq else { return Ok(()) };
        if seq != self.stream.got + 1 {
            return Ok(());
        }
        self.stream.got = seq;
        self.stream.owed_since.get_or_insert(now);
        self.note_taken(envelope, seq, now);
        Ok(())
    }

    /// A new session: nothing of the one before counts any more.
    fn begins_anew(&mut self) {
        let deadlines = std::mem::take(&mut self.deadlines);
        let left = std::mem::take(&mut self.left);
        *self = Self { deadlines, left, ..Self::new(self.terms) };
    }

    fn judge_sent(&mut self, envelope: &Envelope, now: Time) -> Checked {
        let Envelope { head, frame } = envelope;
        hold("I15", !self.talk.said_bye, || format!("{} after the end", head.kind))?;
        match self.terms.end {
            End::Client => self.talk.renewal.client_sends(envelope),
            End::Server => self.talk.renewal.server_sends(envelope, now)?,
        }
        match frame {
            Frame::Hello(hello) => {
                let got = self.stream.got;
                let recv = hello.resume.as_ref().map_or(got, |resume| resume.recv);
                self.stream.told = got;
                self.stream.owed_since = None;
                hold("I6", recv == got, || format!("the hello tells {recv} of {got}"))?;
                if hello.resume.is_none() {
                    self.begins_anew();
                    self.talk =
                        Talk { next: Some(1), is_early: true, heard: now, ..Talk::default() };
                }
            }
            Frame::Welcome(welcome) => {
                // What follows the hello of a new session comes behind its welcome.
                let got = if welcome.session.resumed { self.stream.got } else { 0 };
                let recv = welcome.recv;
                self.talk.next.get_or_insert(1);
                self.talk.heard = now;
                self.stream.told = got;
                self.stream.owed_since = self.stream.owed_since.filter(|_| got == 0).map(|_| now);
                hold("I6", recv == got, || format!("the welcome tells {recv} of {got}"))?;
            }
            Frame::Close(_) | Frame::Reject(_) => {
                self.talk.said_bye = true;
                self.talk.pings.clear();
            }
            Frame::Pong(pong) => {
                let asked = self.talk.pings.pop_front();
                let same = asked == Some(pong.t);
                hold("I12", same, || format!("pong {} to {asked:?}", pong.t))?;
            }
            // Behind what has no place in the stream, a pong does not wait for the peer.
            Frame::Ping(_) | Frame::Auth(_) | Frame::AuthOk(_) | Frame::AuthRequired(_) => {}
            Frame::Ack(Ack { ch }) => self.channels.tells(ch)?,
            _ => self.must_not_wait(&head.kind)?,
        }
        if let Some(ack) = head.ack {
            self.judge_ack(ack)?;
        }
        let has_place = self.has_place(envelope);
        hold("I2", head.seq.is_some() == has_place, || format!("{} at {:?}", head.kind, head.seq))?;
        match head.seq {
            Some(seq) => self.judge_place(envelope, seq, now),
            None if self.terms.end == End::Server => self.channels.sent(head, frame),
            None => Ok(()),
        }
    }

    fn judge_ack(&mut self, ack: u64) -> Checked {
        let got = self.stream.got;
        let held = self.unhandled.values().min().copied();
        let good = ack <= got && held.is_none_or(|held| ack < held);
        hold("I6", good, || format!("acknowledges {ack}, has {got}, handles {held:?}"))?;
        self.stream.told = self.stream.told.max(ack);
        if self.stream.told == got {
            self.stream.owed_since = None;
        }
        Ok(())
    }

    fn judge_place(&mut self, envelope: &Envelope, seq: u64, now: Time) -> Checked {
        let head = &envelope.head;
        let Some(next) = self.talk.next.replace(seq + 1) else {
            return broken("I15", format!("{} before the welcome", head.kind));
        };
        hold("I2", seq == next, || format!("{} at {seq}, {next} is next", head.kind))?;
        let may_leave = matches!(envelope.frame, Frame::Subscribe(_)) && seq <= 16;
        hold("I15", may_leave || !self.talk.is_early, || format!("{} is early", head.kind))?;
        let is_again = seq <= self.top();
        let named = (head.id, head.kind.to_string(), head.key.as_ref().map(ToString::to_string));
        if is_again {
            let before = self.stream.sent.get(&seq);
            return hold("I2", before == Some(&named), || {
                format!("{named:?} again at {seq}, where {before:?} was")
            });
        }
        self.stream.sent.insert(seq, named);
        let unacked = seq - self.stream.acked;
        let is_let_past = matches!(envelope.frame, Frame::Credit(_) | Frame::Cancel);
        let bound = self.terms.unacked * (1 + usize::from(is_let_past));
        hold("I8", unacked <= bound as u64, || format!("{unacked} unacknowledged of {bound}"))?;
        match self.terms.end {
            End::Client => self.judge_wish(envelope, now),
            End::Server => self.judge_answer(envelope, now),
        }
    }

    /// What held the acknowledgement back is over: it is due from here on.
    fn is_handled(&mut self, id: MessageId, was_held: bool, now: Time) {
        let was_waited_for = self.saves.remove(&id).is_some();
        if (was_held || was_waited_for) && self.stream.owed_since.is_some() {
            self.stream.owed_since = Some(now);
        }
    }

    /// What must not leave before a pong that is due.
    fn must_not_wait(&self, kind: &str) -> Checked {
        let due = self.talk.pings.len();
        hold("I12", due == 0, || format!("{kind} leaves before {due} pongs"))
    }
}
