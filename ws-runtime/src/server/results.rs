//! What was answered to requests declared `dedup`, under their keys: a request that comes again
//! gets the same answer and is not worked on again (`docs/protocol.md`, section 7).

pub(super) use crate::results::{Bounds, Name};
use crate::{
    answering::handler_failed,
    results::{Begin, Print},
    session::Time,
};
use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::oneshot, time::Instant};
use ws_proto::{Answer, Fault, Format, Raw, Retry};

/// The results of one server, shared by its connections.
#[derive(Debug)]
pub(super) struct Results {
    start: Instant,
    /// Payloads are compared by two keyed hashes: 128 bits that nobody outside can aim at.
    hashers: [RandomState; 2],
    store: Mutex<Store>,
}

type Store = crate::results::Results<oneshot::Sender<Answer>>;

/// What a request does now.
enum Turn {
    Run,
    Wait(oneshot::Receiver<Answer>),
    Known(Answer),
}

impl Results {
    pub(super) fn new(bounds: Bounds) -> Self {
        let store = Mutex::new(Store::new(bounds));
        Self { start: Instant::now(), hashers: Default::default(), store }
    }

    /// The answer to a request: that of its first handler, whoever asks and however often. `serve`
    /// runs for the first one only.
    pub(super) async fn answer(
        self: Arc<Self>,
        name: Name,
        payload: &Raw,
        serve: impl Future<Output = Answer>,
    ) -> Answer {
        let format = payload.format();
        let turn = match self.begin(&name, self.print(payload)) {
            Ok(turn) => turn,
            Err(fault) => return Answer::Fault(fault),
        };
        match turn {
            Turn::Run => {
                let running = Running { results: self, name: Some(name) };
                let answer = serve.await;
                running.end(&answer);
                answer
            }
            // The first handler tells also when it fails.
            Turn::Wait(answer) => {
                in_format(format, answer.await.unwrap_or_else(|_| Answer::Fault(failed())))
            }
            Turn::Known(answer) => in_format(format, answer),
        }
    }

    fn begin(&self, name: &Name, payload: Print) -> Result<Turn, Fault> {
        let now = self.now();
        Ok(match self.store().begin(name, payload, now)? {
            Begin::Run => Turn::Run,
            Begin::Known(answer) => Turn::Known(answer),
            Begin::Wait(waiting) => {
                let (to, answer) = oneshot::channel();
                waiting.retain(|to| !to.is_closed());
                waiting.push(to);
                Turn::Wait(answer)
            }
        })
    }

    /// The handler has answered, or is gone without an answer.
    fn end(&self, name: &Name, answer: &Answer) {
        let now = self.now();
        for to in self.store().end(name, answer, now) {
            // Whoever asked may have left.
            let _ = to.send(answer.clone());
        }
    }

    fn print(&self, payload: &Raw) -> Print {
        let hashes = self.hashers.each_ref().map(|hasher| hasher.hash_one(payload.bytes()));
        Print { format: payload.format(), hashes }
    }

    fn now(&self) -> Time {
        Time::new(self.start.elapsed())
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // No code of an application runs under the lock.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that a handler works on; ended also when the handler fails or is dropped.
struct Running {
    results: Arc<Results>,
    name: Option<Name>,
}

impl Running {
    fn end(mut self, answer: &Answer) {
        if let Some(name) = self.name.take() {
            self.results.end(&name, answer);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.results.end(&name, &Answer::Fault(failed()));
        }
    }
}

fn failed() -> Fault {
    handler_failed().retry(Retry::Unknown)
}

fn in_format(format: Format, answer: Answer) -> Answer {
    let transcoded = match &answer {
        Answer::Ok(raw) => raw.transcode(format).map(Answer::Ok),
        Answer::Err(raw) => raw.transcode(format).map(Answer::Err),
        Answer::Fault(_) => return answer,
    };
    transcoded.unwrap_or_else(|error| {
        let fault = Fault::internal(format!("the kept answer cannot be expressed: {error}"));
        Answer::Fault(fault.retry(Retry::Unknown))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytestring::ByteString;
    use std::time::Duration;
    use ws_proto::FaultCode;

    fn results(entries: usize, bytes: usize) -> Arc<Results> {
        let window = Duration::from_secs(300);
        Arc::new(Results::new(Bounds { window, entries, bytes, answer: 1_000 }))
    }

    fn name(key: &'static str) -> Name {
        Name { principal: "ann".into(), kind: "pay", key: ByteString::from_static(key) }
    }

    fn raw(value: u32) -> Raw {
        Raw::encode(Format::Json, &value).expect("a number")
    }

    async fn ask(results: &Arc<Results>, key: &'static str, answer: Answer) -> Answer {
        Arc::clone(results).answer(name(key), &raw(1), async { answer }).await
    }

    fn overloaded(answer: &Answer) -> bool {
        matches!(answer, Answer::Fault(fault) if fault.code == FaultCode::Overloaded)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_answer_is_the_answer_until_its_window_ends() {
        let results = results(10, 100_000);
        assert_eq!(ask(&results, "a", Answer::Ok(raw(1))).await, Answer::Ok(raw(1)));
        tokio::time::advance(Duration::from_secs(299)).await;
        assert_eq!(ask(&results, "a", Answer::Ok(raw(2))).await, Answer::Ok(raw(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ask(&results, "a", Answer::Ok(raw(3))).await, Answer::Ok(raw(3)));
    }

    #[tokio::test]
    async fn whoever_asks_meanwhile_waits_for_the_first_answer() {
        let results = results(10, 100_000);
        let (finish, finished) = oneshot::channel();
        let first = tokio::spawn({
            let results = Arc::clone(&results);
            async move {
                let serve = async { finished.await.unwrap() };
                results.answer(name("a"), &raw(1), serve).await
            }
        });
        tokio::task::yield_now().await;
        let second = tokio::spawn({
            let results = Arc::clone(&results);
            async move { results.answer(name("a"), &raw(1), async { unreachable!() }).await }
        });
        tokio::task::yield_now().await;
        finish.send(Answer::Ok(raw(7))).unwrap();
        assert_eq!(first.await.unwrap(), Answer::Ok(raw(7)));
        assert_eq!(second.await.unwrap(), Answer::Ok(raw(7)));
    }

    #[tokio::test]
    async fn a_handler_that_was_dropped_may_have_acted_and_is_not_run_again() {
        let results = results(10, 100_000);
        let dropped = tokio::spawn({
            let results = Arc::clone(&results);
            async move { results.answer(name("a"), &raw(1), std::future::pending()).await }
        });
        tokio::task::yield_now().await;
        dropped.abort();
        assert!(dropped.await.unwrap_err().is_cancelled());
        assert_eq!(ask(&results, "a", Answer::Ok(raw(1))).await, Answer::Fault(failed()));
    }

    #[tokio::test]
    async fn a_fault_that_promises_that_nothing_happened_is_not_kept() {
        let results = results(10, 100_000);
        let busy = Answer::Fault(Fault::new(FaultCode::Overloaded, "busy").retry(Retry::Safe));
        assert_eq!(ask(&results, "a", busy.clone()).await, busy);
        assert_eq!(results.store().bytes(), 0);
        assert_eq!(ask(&results, "a", Answer::Ok(raw(1))).await, Answer::Ok(raw(1)));
    }

    #[tokio::test]
    async fn one_key_is_one_payload_and_one_principal() {
        let results = results(10, 100_000);
        ask(&results, "a", Answer::Ok(raw(1))).await;
        let other = Arc::clone(&results);
        let answer = other.answer(name("a"), &raw(2), async { unreachable!() }).await;
        assert!(matches!(answer, Answer::Fault(fault) if fault.code == FaultCode::Invalid));
        let bob = Name { principal: "bob".into(), ..name("a") };
        let answer = results.answer(bob, &raw(2), async { Answer::Ok(raw(9)) }).await;
        assert_eq!(answer, Answer::Ok(raw(9)));
    }

    #[tokio::test]
    async fn an_answer_is_given_in_the_format_of_whoever_asks() {
        let results = results(10, 100_000);
        ask(&results, "a", Answer::Ok(raw(5))).await;
        let packed = Raw::encode(Format::MessagePack, &1).unwrap();
        let answer = results.answer(name("a"), &packed, async { unreachable!() }).await;
        let expected = Raw::encode(Format::MessagePack, &5).unwrap();
        assert_eq!(answer, Answer::Ok(expected));
    }

    #[tokio::test]
    async fn a_new_request_is_refused_at_the_bound_and_no_result_is_dropped() {
        let keys = ["a", "b", "c"];
        let few = results(2, 100_000);
        // Two answered results of a few bytes, and room for one answer that may be the largest.
        let small = results(10, 2 * (name("a").size() + 1) + name("a").size() + 1_000 - 1);
        for results in [few, small] {
            for key in &keys[..2] {
                assert_eq!(ask(&results, key, Answer::Ok(raw(1))).await, Answer::Ok(raw(1)));
            }
            assert!(overloaded(&ask(&results, "c", Answer::Ok(raw(1))).await));
            for key in &keys[..2] {
                assert_eq!(ask(&results, key, Answer::Ok(raw(2))).await, Answer::Ok(raw(1)));
            }
        }
    }
}
