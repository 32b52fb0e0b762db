//! Uploads: a request, its parts as the server asks for them, then its one answer.

use super::{
    core::{Answers, Note, Order},
    ways::Ways,
};
use crate::{
    asking::{CallError, Plan, Read, outcome, unencodable},
    session::{CallId, Outcome, Reply},
};
use std::{fmt, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout_at},
};
use ws_proto::{EncodeError, Fault, Format, Payload, Raw, RequestSpec};

/// The parts of an upload on their way to the server, then its one answer. Dropping it cancels the
/// request.
#[must_use = "an upload sends nothing until `send` or `finish` is awaited"]
pub struct Upload<P, T, E> {
    stage: Stage,
    format: Format,
    write: fn(&P, Format) -> Result<Raw, EncodeError>,
    read: Read<T, E>,
}

enum Stage {
    /// Sent with the first part, or with the end.
    Planned(Box<Plan>, Ways),
    Open(Sending),
    Over(Result<Raw, CallError<Raw>>),
}

struct Sending {
    answer: oneshot::Receiver<Reply>,
    granted: watch::Receiver<u64>,
    /// Parts that were handed over.
    sent: u64,
    spec: RequestSpec,
    ways: Ways,
    call: CallId,
}

/// The answer came, or will not come any more.
struct Over(Result<Raw, CallError<Raw>>);

impl<P: Payload, T: Payload, E: Payload> Upload<P, T, E> {
    pub(super) fn new(plan: Plan, ways: Ways, format: Format) -> Self {
        let stage = Stage::Planned(Box::new(plan), ways);
        Self { stage, format, write: P::to_raw, read: Read::new() }
    }
}

impl<P, T, E> Upload<P, T, E> {
    /// How long the whole upload is worth waiting for. The server is told, and stops then.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Stage::Planned(plan, _) = &mut self.stage {
            plan.ttl = Some(timeout);
        }
        self
    }

    /// Sends one part as soon as the server asks for it. Where the server has answered with
    /// success before the end, the part goes nowhere and this is `Ok`: see [`Upload::is_over`].
    ///
    /// # Errors
    ///
    /// Why the upload is over without success; [`Upload::finish`] says it again.
    pub async fn send(&mut self, part: &P) -> Result<(), CallError<E>> {
        let encoded = (self.write)(part, self.format);
        let part = encoded.map_err(|error| Over(Err(self.unsendable(&error))));
        let sent = match part {
            Ok(part) => self.hand_over(Some(part)).await,
            Err(over) => Err(over),
        };
        let Err(Over(end)) = sent else { return Ok(()) };
        // What is left of the request is cancelled with the stage before.
        self.stage = Stage::Over(end.clone());
        match end {
            Ok(_) => Ok(()),
            Err(error) => match self.read.typed(Err(error)) {
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            },
        }
    }

    /// Whether more parts would go nowhere, as far as this upload was told.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match &self.stage {
            Stage::Planned(..) => false,
            // The other half drops it with the answer.
            Stage::Open(sending) => sending.granted.has_changed().is_err(),
            Stage::Over(_) => true,
        }
    }

    /// Says that the last part was sent, and waits for the answer.
    ///
    /// # Errors
    ///
    /// The typed error of the request, or why there is no answer.
    pub async fn finish(mut self) -> Result<T, CallError<E>> {
        let ended = self.hand_over(None).await;
        let end = match (ended, &mut self.stage) {
            (Err(Over(end)), _) => end,
            (Ok(()), Stage::Open(sending)) => sending.answer().await,
            (Ok(()), Stage::Planned(..) | Stage::Over(_)) => Err(lost(Outcome::NotSent)),
        };
        self.read.typed(end)
    }

    fn unsendable(&self, error: &EncodeError) -> CallError<Raw> {
        let fault = Fault::invalid(format!("a part of the upload cannot be encoded: {error}"));
        let is_planned = matches!(self.stage, Stage::Planned(..));
        CallError::Fault(fault, if is_planned { Outcome::NotSent } else { Outcome::Unknown })
    }

    /// Brings a part, or the end, to the driver.
    async fn hand_over(&mut self, part: Option<Raw>) -> Result<(), Over> {
        if let Stage::Planned(plan, ways) = &self.stage {
            self.stage = Stage::Open(start(plan, ways).await?);
        }
        match (&mut self.stage, part) {
            (Stage::Over(end), _) => Err(Over(end.clone())),
            (Stage::Planned(..), _) => Err(Over(Err(lost(Outcome::NotSent)))),
            (Stage::Open(sending), None) => sending.order(Order::End(sending.call)).await,
            (Stage::Open(sending), Some(part)) => {
                sending.credit().await?;
                sending.order(Order::Part(sending.call, part)).await?;
                sending.sent += 1;
                Ok(())
            }
        }
    }
}

impl<P, T, E> fmt::Debug for Upload<P, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upload")
    }
}

impl Sending {
    /// Waits until the server takes one more part.
    async fn credit(&mut self) -> Result<(), Over> {
        let sent = self.sent;
        let is_granted = self.granted.wait_for(|granted| *granted > sent).await.is_ok();
        // What was granted before the answer is worth nothing.
        if is_granted && !self.is_answered() { Ok(()) } else { Err(Over(self.answer().await)) }
    }

    /// Hands an order to the driver, which takes it while there is room to send.
    async fn order(&mut self, order: Order) -> Result<(), Over> {
        let taken = tokio::select! {
            biased;
            end = &mut self.answer => Err(end),
            room = self.ways.orders.reserve() => Ok(room),
        };
        match taken {
            Ok(Ok(room)) => {
                room.send(order);
                Ok(())
            }
            Ok(Err(_)) => Err(Over(Err(lost(Outcome::Unknown)))),
            Err(end) => Err(Over(self.settled(end.ok()))),
        }
    }

    async fn answer(&mut self) -> Result<Raw, CallError<Raw>> {
        let end = (&mut self.answer).await.ok();
        self.settled(end)
    }

    fn settled(&self, reply: Option<Reply>) -> Result<Raw, CallError<Raw>> {
        outcome(self.spec, reply.unwrap_or(Reply::Lost(Outcome::Unknown)))
    }

    fn is_answered(&self) -> bool {
        self.granted.has_changed().is_err()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Harmless when the upload has its answer.
        let _ = self.ways.notes.send(Note::Cancel(self.call));
    }
}

async fn start(plan: &Plan, ways: &Ways) -> Result<Sending, Over> {
    let payload = plan.payload.clone().map_err(|error| Over(Err(unencodable(&error))))?;
    let deadline = plan.ttl.map(|ttl| Instant::now() + ttl);
    let (answer, answered) = oneshot::channel();
    let (granted, asked) = watch::channel(0);
    let request = Box::new(plan.request(payload));
    let call = request.call;
    let to = Answers::Upload { answer, granted };
    let order = Order::Call { call: request, deadline, to };
    let handed_over = async { ways.orders.send(order).await.is_ok() };
    let handed_over = match deadline {
        None => handed_over.await,
        Some(deadline) => timeout_at(deadline, handed_over)
            .await
            .map_err(|_| Over(Err(CallError::Timeout(Outcome::NotSent))))?,
    };
    if !handed_over {
        return Err(Over(Err(lost(Outcome::NotSent))));
    }
    Ok(Sending {
        answer: answered,
        granted: asked,
        sent: 0,
        spec: plan.spec,
        ways: ways.clone(),
        call,
    })
}

fn lost(outcome: Outcome) -> CallError<Raw> {
    CallError::Disconnected(outcome)
}
