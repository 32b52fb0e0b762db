//! What both sides do with a request of the other one, whatever serves it.

use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use ws_proto::{
    Answer, DecodeError, Fault, FaultCode, RequestSet,
    serve::{Link, ReplySlot},
};

/// Gives a request, with a slot for the answer, to a loop that owns its state.
pub(crate) async fn ask_loop<Set: RequestSet>(
    calls: &mpsc::Sender<Set::Call>,
    request: Set,
    link: &Arc<dyn Link>,
) -> Answer {
    let (answer, answered) = oneshot::channel();
    let slot = ReplySlot::new(
        Arc::clone(link),
        Box::new(move |reply| {
            // The caller may have left.
            let _ = answer.send(reply);
        }),
    );
    let gone = || Answer::Fault(Fault::internal("the loop that serves this request has ended"));
    if calls.send(request.with_reply(slot)).await.is_err() {
        return gone();
    }
    answered.await.unwrap_or_else(|_| gone())
}

/// Brings the answer of one handler, also when the handler panics or is dropped.
pub(crate) struct AnswerGuard<F: FnOnce(Answer)>(Option<F>);

impl<F: FnOnce(Answer)> AnswerGuard<F> {
    pub(crate) fn new(send: F) -> Self {
        Self(Some(send))
    }

    pub(crate) fn answer(mut self, answer: Answer) {
        if let Some(send) = self.0.take() {
            send(answer);
        }
    }
}

impl<F: FnOnce(Answer)> Drop for AnswerGuard<F> {
    fn drop(&mut self) {
        if let Some(send) = self.0.take() {
            send(Answer::Fault(if std::thread::panicking() {
                handler_failed()
            } else {
                Fault::new(FaultCode::Cancelled, "the handler was dropped")
            }));
        }
    }
}

/// What is said of a handler that panicked; why it did stays here.
pub(crate) fn handler_failed() -> Fault {
    Fault::internal("the handler failed")
}

/// What is said about a payload that is not what its type says.
pub(crate) fn undecodable(kind: &str, error: &DecodeError) -> Fault {
    match error {
        DecodeError::UnknownKind(_) => {
            Fault::new(FaultCode::Unimplemented, format!("no message `{kind}` in this protocol"))
        }
        _ => Fault::invalid(format!("the payload of `{kind}`: {error}")),
    }
}
