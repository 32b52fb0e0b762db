//! The half behind the handles: it owns what waits for answers, and turns the session's events
//! into their outcomes.

use super::{
    error::{ConnState, ConnectError, SubscribeError},
    feed::{Feed, Item},
    renewing::Renewing,
    serving::Serving,
    subscription::Gap,
};
use crate::{
    asking::remaining,
    driver::Application,
    session::{
        Call, CallId, Closed, Command, Delivered, Event, Misuse, Outcome, Publish, Reply, Session,
        Time,
    },
};
use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use ws_proto::{
    Address, CloseCode, Position, Raw,
    frame::{self, Done, GapReason, NotRecovered, Reject},
};

/// What a handle asks for; waits while the session has no room.
#[derive(Debug)]
pub(super) enum Order {
    Call { call: Box<Call>, deadline: Option<Instant>, to: Answers },
    Part(CallId, Raw),
    End(CallId),
    Publish { publish: Box<Publish>, deadline: Option<Instant>, to: oneshot::Sender<Reply> },
    Subscribe { address: Address, since: Option<Position>, feed: Arc<Feed>, ready: Ready },
}

impl Order {
    /// Whoever asked no longer waits, so nothing needs to be sent.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Call { to: Answers::Once(to), .. } | Self::Publish { to, .. } => to.is_closed(),
            Self::Call { to: Answers::Stream(to), .. } => to.is_closed(),
            Self::Call { to: Answers::Upload { answer, .. }, .. } => answer.is_closed(),
            // The session drops what belongs to a call that is over.
            Self::Part(..) | Self::End(_) => false,
            Self::Subscribe { ready, .. } => ready.is_closed(),
        }
    }
}

/// What a handle says; never waits. Bounded by the calls and subscriptions that are open.
#[derive(Debug)]
pub(super) enum Note {
    Cancel(CallId),
    Credit(CallId, u32),
    Consumed(Address, u64),
    Unsubscribe(Address),
    Close,
}

/// Where the answers of a call go.
#[derive(Debug)]
pub(super) enum Answers {
    Once(oneshot::Sender<Reply>),
    Stream(mpsc::UnboundedSender<StreamPart>),
    /// The answer of an upload, and how many parts it was granted until now.
    Upload {
        answer: oneshot::Sender<Reply>,
        granted: watch::Sender<u64>,
    },
}

/// One item, or the end of a stream. The queue is bounded by the credit that its reader granted.
#[derive(Debug)]
pub(super) enum StreamPart {
    Item(Raw),
    End(Reply),
}

/// Tells a subscriber that the subscription stands, with the snapshot if there is one.
pub(super) type Ready = oneshot::Sender<Result<Option<Raw>, SubscribeError>>;

pub(super) struct Core {
    orders: mpsc::Receiver<Order>,
    notes: mpsc::UnboundedReceiver<Note>,
    calls: HashMap<CallId, Answers>,
    feeds: HashMap<Address, Listener>,
    /// What the server asks of us.
    serving: Serving,
    renewing: Renewing,
    state: watch::Sender<ConnState>,
    /// Unacknowledged events that we announced to take per subscription.
    window: usize,
    /// Since when the connection stands, once there was a welcome.
    pub(super) welcomed: Option<Instant>,
    /// How the server refused the last hello.
    pub(super) rejected: Option<Box<Reject>>,
    /// The handles are gone, or one of them closed the client.
    pub(super) finished: bool,
}

struct Listener {
    feed: Arc<Feed>,
    ready: Option<Ready>,
    /// What the answer or the gap that follows brings along.
    snapshot: Option<Raw>,
}

impl Core {
    pub(super) fn new(
        orders: mpsc::Receiver<Order>,
        notes: mpsc::UnboundedReceiver<Note>,
        state: watch::Sender<ConnState>,
        window: u32,
        serving: Serving,
        renewing: Renewing,
    ) -> Self {
        Self {
            orders,
            notes,
            calls: HashMap::new(),
            feeds: HashMap::new(),
            serving,
            renewing,
            state,
            window: window as usize,
            welcomed: None,
            rejected: None,
            finished: false,
        }
    }

    pub(super) fn set_state(&self, state: ConnState) {
        self.state.send_replace(state);
    }

    /// The client will not connect any more: everything that waits has its outcome.
    pub(super) fn finish(mut self, error: Option<ConnectError>) {
        self.orders.close();
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Call { to, .. } => resolve(to, Reply::Lost(Outcome::NotSent)),
                Order::Publish { to, .. } => {
                    resolve(Answers::Once(to), Reply::Lost(Outcome::NotSent));
                }
                // Their call has its outcome below.
                Order::Part(..) | Order::End(_) => {}
                // Dropping `ready` tells the subscriber.
                Order::Subscribe { feed, .. } => feed.end(),
            }
        }
        for (_, to) in self.calls.drain() {
            resolve(to, Reply::Lost(Outcome::Unknown));
        }
        for listener in self.feeds.values() {
            listener.feed.end();
        }
        self.set_state(ConnState::Closed(error));
    }

    fn take_order(&mut self, order: Order, session: &mut Session, now: Time) {
        if order.is_abandoned() {
            return;
        }
        match order {
            Order::Call { mut call, deadline, to } => {
                let Ok(ttl) = remaining(deadline) else {
                    return resolve(to, Reply::Timeout(Outcome::NotSent));
                };
                call.ttl = ttl;
                self.calls.insert(call.call, to);
                apply(Command::Call(call), session, now);
            }
            Order::Part(call, part) => apply(Command::Part(call, part), session, now),
            Order::End(call) => apply(Command::End(call), session, now),
            Order::Publish { mut publish, deadline, to } => {
                let Ok(ttl) = remaining(deadline) else {
                    return resolve(Answers::Once(to), Reply::Timeout(Outcome::NotSent));
                };
                publish.ttl = ttl;
                self.calls.insert(publish.call, Answers::Once(to));
                apply(Command::Publish(publish), session, now);
            }
            Order::Subscribe { address, since, feed, ready } => {
                let command = Command::Subscribe(address.clone(), since);
                match session.handle_command(command, now) {
                    Ok(()) => {
                        self.feeds
                            .insert(address, Listener { feed, ready: Some(ready), snapshot: None });
                    }
                    Err(Misuse::AlreadySubscribed) => {
                        // The subscriber may have left.
                        let _ = ready.send(Err(SubscribeError::AlreadySubscribed));
                    }
                    // Room was asked for before; nothing else can go wrong on a client.
                    Err(misuse) => tracing::error!(%misuse, "subscribe"),
                }
            }
        }
    }

    fn take_note(&mut self, note: Note, session: &mut Session, now: Time) {
        let command = match note {
            Note::Cancel(call) => {
                self.calls.remove(&call);
                Command::Cancel(call)
            }
            Note::Credit(call, n) => Command::Credit(call, n),
            Note::Consumed(address, off) => Command::Consumed(address, off),
            Note::Unsubscribe(address) => {
                if self.feeds.remove(&address).is_none() {
                    return;
                }
                Command::Unsubscribe(address)
            }
            Note::Close => {
                self.finished = true;
                Command::Close(CloseCode::NORMAL, "the client is done".to_owned())
            }
        };
        apply(command, session, now);
    }

    fn on_subscribed(&mut self, address: &Address, done: &Done) {
        let Some(listener) = self.feeds.get_mut(address) else { return };
        let snapshot = listener.snapshot.take();
        if let Some(ready) = listener.ready.take() {
            // A subscriber that left drops its subscription, which unsubscribes.
            let _ = ready.send(Ok(snapshot));
            return;
        }
        let gap = match (done.recovered, done.reason) {
            (Some(true), _) => Gap::Resumed,
            (_, reason) => Gap::Restarted(reason),
        };
        listener.feed.push(match snapshot {
            Some(state) => Item::Snapshot(gap, None, state),
            None => Item::Gap(gap, None),
        });
    }

    fn on_gap(&mut self, address: &Address, gap: frame::Gap, session: &mut Session, now: Time) {
        let Some(listener) = self.feeds.get_mut(address) else { return };
        let frame::Gap { reason, after, until, dropped } = gap;
        let item = match (reason, listener.snapshot.take()) {
            (GapReason::Version, _) => Item::Skipped(until.unwrap_or_default()),
            (GapReason::Slow, _) => Item::Gap(Gap::Dropped(dropped.unwrap_or_default()), until),
            (GapReason::Trimmed, None) => Item::Gap(Gap::Lost { after, until }, until),
            (GapReason::Trimmed, Some(_)) if listener.feed.len() > 2 * self.window => {
                let reason = "more snapshots than the announced window".to_owned();
                return apply(Command::Close(CloseCode::MALFORMED, reason), session, now);
            }
            (GapReason::Trimmed, Some(state)) => {
                Item::Snapshot(Gap::Restarted(Some(NotRecovered::Trimmed)), until, state)
            }
        };
        listener.feed.push(item);
    }

    fn on_delivered(&self, delivered: Delivered, session: &mut Session, now: Time) {
        let Delivered { address, kind, off, payload, .. } = delivered;
        let Some(listener) = self.feeds.get(&address) else { return };
        let item = Item::Event { kind: kind.to_string(), off, payload };
        if off.is_none() {
            listener.feed.pass(item);
        } else if listener.feed.len() <= 2 * self.window {
            listener.feed.push(item);
        } else {
            // A server that ignores the window would fill our memory.
            let reason = "more events than the announced window".to_owned();
            apply(Command::Close(CloseCode::MALFORMED, reason), session, now);
        }
    }
}

/// Hands a command to the session.
fn apply(command: Command, session: &mut Session, now: Time) {
    // What a handle says may cross what the server says: that race the session settles.
    if let Err(misuse) = session.handle_command(command, now) {
        tracing::debug!(%misuse, "a command came too late");
    }
}

impl Application for Core {
    fn poll_commands(&mut self, cx: &mut Context<'_>, session: &mut Session, now: Time) {
        while let Poll::Ready(note) = self.notes.poll_recv(cx) {
            match note {
                Some(note) => self.take_note(note, session, now),
                None if self.finished => break,
                // The last handle was dropped.
                None => {
                    self.take_note(Note::Close, session, now);
                    break;
                }
            }
        }
        if let Poll::Ready(token) = self.renewing.poll(cx) {
            apply(Command::Auth(token), session, now);
        }
        while session.has_room()
            && let Poll::Ready((work, answer)) = self.serving.poll_answer(cx)
        {
            apply(Command::Answer(work, answer), session, now);
        }
        while session.has_room() {
            match self.orders.poll_recv(cx) {
                Poll::Ready(Some(order)) => self.take_order(order, session, now),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
    }

    fn on_event(&mut self, event: Event, session: &mut Session, now: Time) {
        match event {
            Event::Welcome(welcome) => {
                self.welcomed = Some(Instant::now());
                self.serving.welcomed(&welcome);
                self.set_state(ConnState::Ready { version: welcome.version });
            }
            event @ (Event::AuthRequired | Event::NotRenewed(_)) => self.renewing.tell(&event),
            Event::Rejected(reject) => self.rejected = Some(reject),
            Event::Answered(call, reply) => {
                if let Some(to) = self.calls.remove(&call) {
                    resolve(to, reply);
                }
            }
            Event::Item(call, item) => {
                if let Some(Answers::Stream(to)) = self.calls.get(&call) {
                    // A reader that left has sent a cancel.
                    let _ = to.send(StreamPart::Item(item));
                }
            }
            Event::Request(request) => self.serving.start(*request),
            Event::Stop(work, _) => self.serving.stop(work),
            Event::Granted(call, n) => {
                if let Some(Answers::Upload { granted, .. }) = self.calls.get(&call) {
                    granted.send_modify(|granted| *granted = granted.saturating_add(n.into()));
                }
            }
            Event::Subscribed(address, done) => self.on_subscribed(&address, &done),
            Event::NotSubscribed(address, fault) => {
                let Some(listener) = self.feeds.remove(&address) else { return };
                match listener.ready {
                    Some(ready) => {
                        // The subscriber may have left.
                        let _ = ready.send(Err(SubscribeError::Refused(fault)));
                    }
                    None => listener.feed.push(Item::Gap(Gap::Refused(fault), None)),
                }
                listener.feed.end();
            }
            Event::Delivered(delivered) => self.on_delivered(*delivered, session, now),
            Event::Snapshot(address, state) => {
                if let Some(listener) = self.feeds.get_mut(&address) {
                    listener.snapshot = Some(state);
                }
            }
            Event::Gap(address, gap) => self.on_gap(&address, gap, session, now),
            Event::Live(address, _) => {
                if let Some(listener) = self.feeds.get(&address) {
                    listener.feed.push(Item::Live);
                }
            }
            Event::SubscriptionEnded(address, why) => {
                if let Some(listener) = self.feeds.remove(&address) {
                    listener.feed.push(Item::Ended(why));
                    listener.feed.end();
                }
            }
            Event::Closed(Closed { code, reason, .. }) => {
                tracing::debug!(%code, reason, "the connection is over");
                self.renewing.forget();
            }
            // Nobody waits for it.
            Event::Renewed
            // The barrier of a subscription that its owner dropped before.
            | Event::Unsubscribed(_)
            // No callback streams.
            | Event::Credit(..)
            // What follows happens on a server's side only.
            | Event::Hello(..)
            | Event::Auth(..)
            | Event::Part(..)
            | Event::End(_)
            | Event::Subscribe(..)
            | Event::Unsubscribe(_)
            | Event::Publish(..)
            | Event::Consumed(..) => {}
        }
    }
}

fn resolve(to: Answers, reply: Reply) {
    // A caller that no longer waits has sent a cancel.
    match to {
        Answers::Once(to) => drop(to.send(reply)),
        Answers::Stream(to) => drop(to.send(StreamPart::End(reply))),
        Answers::Upload { answer, .. } => drop(answer.send(reply)),
    }
}
