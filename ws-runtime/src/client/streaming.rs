//! Requests that stream items before their answer.

use super::{
    core::{Answers, Note, Order, StreamPart},
    ways::Ways,
};
use crate::{
    asking::{CallError, Plan, Read, outcome, unencodable},
    session::{Call, CallId, Outcome},
};
use std::{fmt, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use ws_proto::{DecodeError, Payload, Raw, RequestSpec};

/// The items of a streaming request, then its one answer. Dropping it cancels the request.
#[must_use = "a stream brings nothing until it is read"]
pub struct ItemStream<I, T, E> {
    stage: Stage,
    read_item: fn(&Raw) -> Result<I, DecodeError>,
    read: Read<T, E>,
}

enum Stage {
    /// Sent with the first read.
    Planned(Box<Plan>, Ways, u32),
    Open(Reading),
    Ended(Option<Result<Raw, CallError<Raw>>>),
}

struct Reading {
    parts: mpsc::UnboundedReceiver<StreamPart>,
    spec: RequestSpec,
    notes: mpsc::UnboundedSender<Note>,
    call: CallId,
    window: u32,
    /// Items read since credit was last granted.
    read: u32,
}

impl<I: Payload, T: Payload, E: Payload> ItemStream<I, T, E> {
    pub(super) fn new(plan: Plan, ways: Ways, window: u32) -> Self {
        let stage = Stage::Planned(Box::new(plan), ways, window);
        Self { stage, read_item: I::from_raw, read: Read::new() }
    }
}

impl<I, T, E> ItemStream<I, T, E> {
    /// How long the whole stream is worth waiting for.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Stage::Planned(plan, ..) = &mut self.stage {
            plan.ttl = Some(timeout);
        }
        self
    }

    /// The next item; `None` when there are no more and [`ItemStream::finish`] has the answer.
    pub async fn next(&mut self) -> Option<Result<I, CallError<E>>> {
        loop {
            match &mut self.stage {
                Stage::Planned(..) => self.start().await,
                Stage::Ended(_) => return None,
                Stage::Open(reading) => match reading.next().await {
                    Ok(item) => {
                        let item = (self.read_item)(&item);
                        return Some(item.map_err(|e| CallError::Undecodable(e.to_string())));
                    }
                    Err(end) => self.stage = Stage::Ended(Some(end)),
                },
            }
        }
    }

    /// The answer that ends the stream; items that were not read are skipped.
    ///
    /// # Errors
    ///
    /// The typed error of the request, or why there is no answer. Items that came before stay
    /// valid.
    pub async fn finish(mut self) -> Result<T, CallError<E>> {
        while self.next().await.is_some() {}
        match self.stage {
            Stage::Ended(Some(end)) => self.read.typed(end),
            _ => Err(CallError::Disconnected(Outcome::Unknown)),
        }
    }

    async fn start(&mut self) {
        let Stage::Planned(plan, ways, window) = &self.stage else { return };
        let window = *window;
        let payload = match plan.payload.clone() {
            Ok(payload) => payload,
            Err(error) => {
                self.stage = Stage::Ended(Some(Err(unencodable(&error))));
                return;
            }
        };
        let deadline = plan.ttl.map(|ttl| Instant::now() + ttl);
        let (to, parts) = mpsc::unbounded_channel();
        let request = Call { credit: window, ..plan.request(payload) };
        let call = request.call;
        let order = Order::Call { call: Box::new(request), deadline, to: Answers::Stream(to) };
        self.stage = if ways.orders.send(order).await.is_ok() {
            let (spec, notes) = (plan.spec, ways.notes.clone());
            Stage::Open(Reading { parts, spec, notes, call, window, read: 0 })
        } else {
            Stage::Ended(Some(Err(CallError::Disconnected(Outcome::NotSent))))
        };
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Raw, Result<Raw, CallError<Raw>>> {
        match self.parts.recv().await {
            Some(StreamPart::Item(item)) => {
                self.read += 1;
                if self.read * 2 >= self.window {
                    // Without a driver the stream ends with the next read.
                    let _ = self.notes.send(Note::Credit(self.call, self.read));
                    self.read = 0;
                }
                Ok(item)
            }
            Some(StreamPart::End(reply)) => Err(outcome(self.spec, reply)),
            None => Err(Err(CallError::Disconnected(Outcome::Unknown))),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Harmless when the stream has ended.
        let _ = self.notes.send(Note::Cancel(self.call));
    }
}

impl<I, T, E> fmt::Debug for ItemStream<I, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ItemStream")
    }
}
