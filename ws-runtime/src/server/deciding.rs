//! Questions to the application: who a client is, and what it may do. Whoever cannot be asked, or
//! does not answer in time, says no.

use super::{connection::Connection, handler::begin, mailbox::Letter};
use crate::session::Session;
use futures_util::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use tokio::{
    task::{AbortHandle, JoinHandle},
    time::timeout,
};
use ws_proto::Fault;

/// A question under way; dropping it drops what the application does about it.
struct Asked<T>(JoinHandle<Result<T, Fault>>);

impl Connection {
    /// Asks in a task of its own, whose abort ends the question; the decision becomes a letter.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, Fault>> + Send + 'static,
        letter: impl FnOnce(Result<T, Fault>) -> Letter + Send + 'static,
    ) -> AbortHandle {
        let (mailbox, patience) = (Arc::clone(&self.mailbox), self.shared.config.decision_timeout);
        let asked = tokio::spawn(async move {
            mailbox.put(letter(decide("authorization", question, patience).await));
        });
        asked.abort_handle()
    }
}

/// The decision, where the application has it at once; `None` where it waits for something, or where
/// its consequence would find no room. Then it is asked in a task.
pub(super) fn decided_at_once<T>(
    question: &mut BoxFuture<'static, Result<T, Fault>>,
    session: &Session,
) -> Option<Result<T, Fault>> {
    let failed = || Err(Fault::internal("the authorization failed"));
    if session.has_room() { begin(question, failed) } else { None }
}

/// The decision of the application. A panic is a refusal and nothing more, and so is a time that
/// runs out.
pub(super) async fn decide<T: Send + 'static>(
    what: &'static str,
    question: impl Future<Output = Result<T, Fault>> + Send + 'static,
    patience: Duration,
) -> Result<T, Fault> {
    let mut asked = Asked(tokio::spawn(question));
    match timeout(patience, &mut asked.0).await {
        Ok(Ok(decision)) => decision,
        Ok(Err(_)) => Err(Fault::internal(format!("the {what} failed"))),
        Err(_) => Err(Fault::internal(format!("the {what} took too long"))),
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
