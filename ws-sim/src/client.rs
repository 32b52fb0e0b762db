//! A client: its session, its connection, and an application that keeps no more than it must.

mod paying;
mod renewing;
mod uploading;

use crate::{
    base::Base,
    contract::{GET, LIST, LOAD, PAY, REQUESTS, number, numbered},
    net::{End, LinkId},
    oracle::{Broken, Checked, ClientNo, broken, hold},
    tap::Tap,
};
use bytestring::ByteString;
pub(crate) use paying::{PATIENCE, Payment};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use uploading::Sending;
pub(crate) use uploading::parts_of;
use ws_proto::{Address, Advice, CloseCode, Format, Retry, VersionRange, frame::Hello};
use ws_runtime::session::{
    Call, CallId, Closed, Command, Event, Initiator, Outcome, Publish, Reply, Session, Side, Time,
};

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) no: ClientNo,
    pub(crate) session: Session,
    pub(crate) tap: Tap,
    pub(crate) format: Format,
    pub(crate) link: Option<LinkId>,
    pub(crate) connect_at: Option<Time>,
    /// When the application brings other credentials.
    pub(crate) auth_at: Option<Time>,
    pub(crate) calls: BTreeMap<CallId, Asked>,
    /// What had no certain outcome and does no harm twice.
    pub(crate) again: VecDeque<Wish>,
    pub(crate) wanted: BTreeSet<Address>,
    /// Parts that were not given to the session so far.
    sending: BTreeMap<CallId, Sending>,
    /// Delivered and not yet consumed.
    pub(crate) unread: BTreeMap<Address, VecDeque<u64>>,
    /// What was asked for once, and may be asked for again under its key.
    pub(crate) paid: Vec<Payment>,
    /// The application is done: it does not come back.
    pub(crate) leaving: bool,
    next_call: u64,
}

/// What an application wants from the server.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Request(usize, u64),
    Publish(Address, u64),
    Pay(Payment),
}

#[derive(Debug)]
pub(crate) struct Asked {
    wish: Wish,
    cancelled: bool,
    deadline: Option<Time>,
}

/// How many items a streaming job has.
pub(crate) fn items_of(job: u64) -> u64 {
    job % 5
}

impl Client {
    pub(crate) fn new(no: ClientNo, base: &mut Base) -> Self {
        let format = if base.rng.bool() { Format::Json } else { Format::MessagePack };
        let config = base.client_config();
        let terms = base.terms(End::Client, &config.limits);
        Self {
            no,
            tap: Tap::new(terms),
            session: Session::new(Side::Client, config, base.now),
            format,
            link: None,
            connect_at: Some(base.now),
            auth_at: None,
            calls: BTreeMap::new(),
            again: VecDeque::new(),
            wanted: BTreeSet::new(),
            sending: BTreeMap::new(),
            unread: BTreeMap::new(),
            paid: Vec::new(),
            leaving: false,
            next_call: 0,
        }
    }

    pub(crate) fn connect(&mut self, link: LinkId, base: &Base) -> Checked {
        self.connect_at = None;
        self.link = Some(link);
        self.tell(Command::Connect(Box::new(hello())), base)
    }

    /// Gives the session a command that it has to take.
    pub(crate) fn tell(&mut self, command: Command, base: &Base) -> Checked {
        let no = self.no;
        self.session
            .handle_command(command, base.now)
            .or_else(|misuse| broken("misuse", format!("client {no}: {misuse}")))
    }

    pub(crate) fn ask(&mut self, wish: Wish, ttl: Option<Duration>, base: &mut Base) -> Checked {
        self.next_call += 1;
        let call = CallId(self.next_call);
        let (job, command) = match &wish {
            Wish::Request(kind, job) => (*job, self.request(call, (*kind, *job), ttl, None)),
            Wish::Pay(payment) => {
                let Payment { job, key } = *payment;
                (job, self.request(call, (PAY, job), ttl, Some(key)))
            }
            Wish::Publish(address, job) => {
                let publish = Publish {
                    call,
                    address: address.clone(),
                    kind: format!("{}.said", address.kind()).into(),
                    payload: numbered(self.format, *job),
                    ttl,
                    key: Some(job.to_string().into()),
                };
                (*job, Command::Publish(Box::new(publish)))
            }
        };
        base.note(format_args!("client {} asks {call:?} {wish:?}", self.no));
        base.oracle.calls(self.no, call, job);
        let deadline = ttl.map(|ttl| base.now + ttl);
        self.tap.asks(job, deadline);
        if let Wish::Request(LOAD, job) = wish {
            self.uploads(call, job);
        }
        self.calls.insert(call, Asked { wish, cancelled: false, deadline });
        self.tell(command, base)
    }

    pub(crate) fn cancel(&mut self, call: CallId, base: &mut Base) -> Checked {
        base.note(format_args!("client {} cancels {call:?}", self.no));
        if let Some(asked) = self.calls.get_mut(&call) {
            asked.cancelled = true;
        }
        self.sending.remove(&call);
        self.tell(Command::Cancel(call), base)
    }

    pub(crate) fn subscribe(&mut self, address: Address, base: &mut Base) -> Checked {
        if !self.session.has_room() || !base.oracle.is_off(self.no, &address) {
            return Ok(());
        }
        let known = base.oracle.position(self.no, &address).cloned();
        let since = known.filter(|_| base.rng.u32(..4) > 0);
        base.note(format_args!("client {} wants {address} since {since:?}", self.no));
        base.oracle.asks(self.no, &address, since.clone());
        self.wanted.insert(address.clone());
        self.tell(Command::Subscribe(address, since), base)
    }

    pub(crate) fn unsubscribe(&mut self, address: &Address, base: &mut Base) -> Checked {
        if base.oracle.is_off(self.no, address) {
            return Ok(());
        }
        base.note(format_args!("client {} leaves {address}", self.no));
        base.oracle.leaves(self.no, address);
        self.wanted.remove(address);
        self.unread.remove(address);
        self.tell(Command::Unsubscribe(address.clone()), base)
    }

    /// The application reads up to `count` events of a channel.
    pub(crate) fn read(&mut self, address: &Address, count: usize, base: &Base) -> Checked {
        let Some(unread) = self.unread.get_mut(address) else { return Ok(()) };
        let Some(last) = unread.drain(..count.min(unread.len())).next_back() else { return Ok(()) };
        self.tap.consumes(address, last);
        self.tell(Command::Consumed(address.clone(), last), base)
    }

    /// Takes what arrived, acts on events, sends. True when anything happened.
    pub(crate) fn pump(&mut self, base: &mut Base) -> Result<bool, Broken> {
        let mut any = false;
        while let Some(link) = self.link
            && let Some(parcel) = base.net.arrive(link, End::Client, base.now)
        {
            any = true;
            match base.open(parcel, self.format)? {
                Some(envelope) => {
                    if !self.session.is_ending() {
                        self.tap.hears(&envelope, base.now);
                    }
                    self.session.handle_frame(envelope, base.now);
                }
                None => self.lost(base)?,
            }
            self.take_events(base)?;
        }
        any |= self.take_events(base)?;
        self.show_who(base)?;
        any |= self.send_parts(base)?;
        if let Some(link) = self.link {
            let both = (&mut self.session, &mut self.tap);
            any |= base.send(both, (link, End::Client), self.format);
            let has_room = base.net.carried(link, End::Client) < base.plan.pipe;
            self.tap.check(base.now, has_room, self.session.version().is_some())?;
        }
        any |= self.take_events(base)?;
        let overdue =
            self.calls.iter().find(|(_, asked)| asked.deadline.is_some_and(|due| due < base.now));
        hold("I5", overdue.is_none(), || format!("client {}: {overdue:?} waits on", self.no))?;
        Ok(any)
    }

    /// The transport is gone.
    pub(crate) fn lost(&mut self, base: &mut Base) -> Checked {
        if let Some(link) = self.link {
            base.net.leave(link, End::Client);
        }
        self.tap.is_cut();
        self.tell(Command::Disconnected(None, "lost".to_owned()), base)
    }

    pub(crate) fn is_busy(&self) -> bool {
        !self.calls.is_empty() || !self.again.is_empty()
    }

    fn request(
        &self,
        call: CallId,
        (kind, job): (usize, u64),
        ttl: Option<Duration>,
        key: Option<u64>,
    ) -> Command {
        Command::Call(Box::new(Call {
            call,
            kind: ByteString::from_static(REQUESTS[kind].kind),
            payload: numbered(self.format, job),
            ttl,
            key: key.map(|key| key.to_string().into()),
            versions: (1, None),
            credit: u32::from(kind == LIST),
        }))
    }

    fn take_events(&mut self, base: &mut Base) -> Result<bool, Broken> {
        let mut any = false;
        while let Some(event) = self.session.poll_event() {
            any = true;
            base.trace.number(self.no as u64);
            self.on_event(event, base)?;
        }
        Ok(any)
    }

    fn on_event(&mut self, event: Event, base: &mut Base) -> Checked {
        let no = self.no;
        match &event {
            Event::Welcome(welcome) => {
                base.hit(if welcome.session.resumed { "resumed" } else { "new_session" });
                base.note(format_args!("client {no} is welcome, {:?}", welcome.session));
                if welcome.session.resumed {
                    base.oracle.resumed(no);
                }
            }
            event => base.note(format_args!("client {no} hears {event:?}")),
        }
        match event {
            Event::Closed(closed) => self.closed(&closed, base)?,
            Event::AuthRequired => self.is_asked_who(base),
            Event::Answered(call, reply) => self.answered(call, &reply, base)?,
            Event::Item(call, payload) => {
                base.oracle.item(no, call, number(&payload))?;
                base.hit("item");
                self.tell(Command::Credit(call, 1), base)?;
            }
            Event::Granted(call, n) => self.granted(call, n)?,
            Event::Subscribed(address, done) => {
                base.hit(match done.recovered {
                    Some(true) => "recovered",
                    Some(false) => "not_recovered",
                    None => "subscribed",
                });
                self.tap.subscribed(&address);
                base.oracle.subscribed(no, &address, &done)?;
                self.unread.remove(&address);
            }
            Event::NotSubscribed(address, _) => {
                base.hit("not_subscribed");
                base.oracle.ended(no, &address)?;
            }
            Event::Delivered(delivered) => {
                base.oracle.delivered(no, &delivered)?;
                if let Some(off) = delivered.off {
                    self.unread.entry(delivered.address).or_default().push_back(off);
                }
            }
            Event::Gap(address, gap) => {
                base.hit(if gap.until.is_some() { "gap" } else { "slow_gap" });
                base.oracle.gap(no, &address, &gap)?;
            }
            Event::Live(address, off) => base.oracle.live(no, &address, off)?,
            Event::Unsubscribed(address) => base.oracle.left(no, &address)?,
            Event::SubscriptionEnded(address, _) => {
                base.hit("subscription_ended");
                base.oracle.ended(no, &address)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn closed(&mut self, closed: &Closed, base: &mut Base) -> Checked {
        self.tap.ended(closed, base.now)?;
        self.auth_at = None;
        let spreads = closed.by != Initiator::Peer
            || closed.code != CloseCode::DRAINING
            || closed.retry_after.is_some();
        hold("I14", spreads, || format!("{closed:?} names no window"))?;
        base.hit(match closed.code {
            CloseCode::HEARTBEAT_MISSED => "heartbeat_missed",
            CloseCode::TAKEN_OVER => "taken_over",
            CloseCode::TOO_SLOW => "too_slow",
            CloseCode::DRAINING => "drained",
            _ => "closed",
        });
        if let Some(link) = self.link.take() {
            let at = base.within(100);
            base.net.close(link, End::Client, at);
        }
        if !self.leaving && closed.code.advice() != Advice::Stop {
            self.connect_at = Some(base.within(1_000));
        }
        Ok(())
    }

    fn answered(&mut self, call: CallId, reply: &Reply, base: &mut Base) -> Checked {
        let Some(Asked { wish, cancelled, .. }) = self.calls.remove(&call) else {
            return broken("I5", format!("client {}: {call:?} is answered again", self.no));
        };
        self.sending.remove(&call);
        let items = match &wish {
            Wish::Request(LIST, job) => items_of(*job),
            _ => 0,
        };
        let job = match &wish {
            Wish::Pay(payment) => self.paid_for(*payment, call, reply, base)?,
            _ => base.oracle.resolved(self.no, call, reply, items)?,
        };
        self.check_outcome(job, reply)?;
        if *reply == Reply::Timeout(Outcome::Unknown) && !cancelled {
            self.tap.gives_up(job);
        }
        base.hit(branch_of(reply));
        let good = matches!(reply, Reply::Ok(_) | Reply::Published(_));
        if !good && !cancelled && !self.leaving {
            match wish {
                // Another job: how often each was worked on stays countable.
                Wish::Request(GET, _) => self.again.push_back(Wish::Request(GET, base.next_job())),
                Wish::Request(..) => {}
                publish @ Wish::Publish(..) => self.again.push_back(publish),
                Wish::Pay(payment) => self.pay_again(payment, reply, base)?,
            }
        }
        Ok(())
    }
}

impl Client {
    /// What a call is told is what the wire has seen (the outcomes of section 7).
    fn check_outcome(&self, job: u64, reply: &Reply) -> Checked {
        let (has_left, fits) = match reply {
            Reply::Timeout(outcome) | Reply::Lost(outcome) => {
                (*outcome != Outcome::NotSent, *outcome != Outcome::Processed)
            }
            Reply::Fault(_, Outcome::NotSent) => (false, true),
            Reply::Fault(fault, outcome) => {
                let is_unknown = fault.retry == Retry::Unknown;
                (true, is_unknown == (*outcome == Outcome::Unknown))
            }
            Reply::Unsupported { .. } => (false, false),
            Reply::Ok(_) | Reply::Err(_) | Reply::Published(_) => (true, true),
        };
        let seen = self.tap.has_left(job);
        let good = fits && has_left == seen;
        hold("I5", good, || format!("job {job}: {reply:?}, and sent is {seen}"))
    }
}

/// What every client says first.
pub(crate) fn hello() -> Hello {
    Hello::new("sim", VersionRange::new(1, 1))
}

fn branch_of(reply: &Reply) -> &'static str {
    match reply {
        Reply::Ok(_) => "ok",
        Reply::Published(_) => "published",
        Reply::Timeout(Outcome::NotSent) => "timeout_not_sent",
        Reply::Timeout(_) => "timeout",
        Reply::Lost(_) => "lost",
        Reply::Fault(_, Outcome::NotProcessed) => "refused",
        Reply::Fault(_, Outcome::NotSent) => "withdrawn",
        _ => "fault",
    }
}
