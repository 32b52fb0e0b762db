//! Requests of a client that the application works on.

use super::{
    connection::Connection,
    guest::Guest,
    handler::Handler,
    link::RequestLink,
    mailbox::Letter,
    results::{Name, Results},
};
use crate::{
    answering::AnswerGuard,
    session::{Command, Request, Session, Time, WorkId},
};
use bytestring::ByteString;
use std::{mem, sync::Arc};
use tokio::task::AbortHandle;
use ws_proto::{Answer, Fault, MessageId, Raw, RequestSpec, Resend, serve::Link};

/// A handler that goes on in a task of its own.
pub(super) struct Running {
    pub(super) link: Arc<RequestLink>,
    /// Present when the handler is dropped on cancel.
    abort: Option<AbortHandle>,
}

impl Running {
    /// Nobody waits for the answer any more.
    pub(super) fn stop(&self) {
        self.link.cancel();
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

impl Connection {
    pub(super) fn on_request(
        &mut self,
        mut request: Box<Request>,
        session: &mut Session,
        now: Time,
    ) {
        let Request { work, id, place, credit, deadline, .. } = *request;
        let (kind, key) = (mem::take(&mut request.kind), request.key.take());
        let payload = mem::replace(&mut request.payload, Raw::null(self.format));
        session.reuse(request);
        let (Some(guest), Some(link)) = (self.guest.clone(), self.request_link(work, id, credit))
        else {
            let fault = Fault::internal("no session");
            return self.apply(Command::Answer(work, Answer::Fault(fault)), session, now);
        };
        let spec = self.shared.requests.get(place);
        let kept = match self.kept_under(spec, key, deadline, &*guest, now) {
            Ok(kept) => kept,
            Err(fault) => {
                return self.apply(Command::Answer(work, Answer::Fault(fault)), session, now);
            }
        };
        // What a handler sends before its answer goes through the mailbox, and must not be passed.
        // And between requests that are worked on one after another, others have the thread: a
        // subscriber has to keep up with what they publish.
        let is_alone =
            spec.is_none_or(|spec| spec.item.is_none() && spec.part.is_none() && !spec.ordered);
        // A handler that begins here has read its request before anything else happens. Where the
        // bytes stay, they do not keep the memory that they were read into.
        let is_read_now = is_alone && kept.is_none();
        let payload = if is_read_now { payload } else { payload.detached() };
        let span = tracing::debug_span!("request", kind = &*kind, %id, session = link.session());
        let erased: Arc<dyn Link> = Arc::clone(&link) as Arc<dyn Link>;
        let serving = match kept {
            None => guest.serve(kind, payload, erased),
            Some((results, name)) => Box::pin(async move {
                let serve = guest.serve(kind, payload.clone(), erased);
                results.answer(name, &payload, serve).await
            }),
        };
        let mut handler = Handler { serving, span };
        let ready = if is_alone { handler.start() } else { None };
        let Some(answer) = ready else {
            let running = self.spawn(work, handler, link, spec.is_some_and(|spec| spec.cancel));
            self.running.insert(work, running);
            self.is_stirred = true;
            return;
        };
        drop(handler);
        self.spare = Some(link);
        if session.has_room() {
            session.handle_answer(work, answer, now);
        } else {
            self.mailbox.put(Letter::Work(Command::Answer(work, answer)));
        }
    }

    /// The way from the handler of a request to its runtime. That of the request before is used
    /// again where nothing is left of it, as after most handlers.
    fn request_link(
        &mut self,
        work: WorkId,
        id: MessageId,
        credit: u32,
    ) -> Option<Arc<RequestLink>> {
        let facts = self.facts.as_ref()?;
        if let Some(mut spare) = self.spare.take()
            && Arc::ptr_eq(&spare.connection, facts)
            && spare.renew(work, id, credit)
        {
            return Some(spare);
        }
        self.link(Some(work), id, credit)
    }

    /// Goes on with a handler in a task of its own.
    fn spawn(
        &self,
        work: WorkId,
        handler: Handler,
        link: Arc<RequestLink>,
        cancel: bool,
    ) -> Running {
        let mailbox = Arc::clone(&self.mailbox);
        let guard = AnswerGuard::new(move |a| mailbox.put(Letter::Work(Command::Answer(work, a))));
        let judge = Arc::clone(&link);
        let Handler { serving, span } = handler;
        let answering = async move { guard.answer(judge.judged(serving.await)) };
        let task = tokio::spawn(tracing::Instrument::instrument(answering, span));
        Running { link, abort: cancel.then(|| task.abort_handle()) }
    }

    /// Where the answer to a request is kept, and under which name. A request without a key is
    /// worked on without that promise.
    fn kept_under(
        &self,
        spec: Option<&RequestSpec>,
        key: Option<ByteString>,
        deadline: Option<Time>,
        guest: &dyn Guest,
        now: Time,
    ) -> Result<Option<(Arc<Results>, Name)>, Fault> {
        let dedup = spec.filter(|spec| spec.resend == Resend::Dedup).zip(key);
        let Some((spec, key)) = dedup else { return Ok(None) };
        let longest = self.shared.config.longest_ttl;
        if deadline.is_none_or(|deadline| deadline > now + longest) {
            let text = "a request whose answer is kept needs a `ttl`, and not a longer one";
            return Err(Fault::invalid(text).detail("limit_ms", longest.as_millis()));
        }
        let name = Name { principal: guest.id().to_owned(), kind: spec.kind, key };
        Ok(Some((Arc::clone(&self.shared.results), name)))
    }

    /// What became of a request whose handler has not answered yet.
    pub(super) fn on_running(&self, work: WorkId, change: impl FnOnce(&Running)) {
        if let Some(running) = self.running.get(&work) {
            change(running);
        }
    }
}
