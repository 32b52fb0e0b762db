//! The answers that a node keeps under keys, and the handlers behind them. They go on when the
//! session that asked is gone.

use crate::{
    base::Base,
    client::Payment,
    contract::{PAY, REQUESTS, numbered},
    oracle::{Broken, ClientNo, Paid, Turn, hold},
};
use std::{mem, time::Duration};
use ws_proto::{Answer, Fault, FaultCode, Format, Retry};
use ws_runtime::{
    hub::ConnectionId,
    results::{Begin, Bounds, Name, Print, Results},
    session::{Time, WorkId},
};

/// The longest time that a request may have whose answer is kept.
pub(crate) const LONGEST_TTL: Duration = Duration::from_secs(10);

/// Who waits for an answer.
pub(crate) type Asker = (ConnectionId, WorkId);

#[derive(Debug)]
pub(crate) struct Till {
    results: Results<Asker>,
    handlers: Vec<Handler>,
    most: usize,
    window: Duration,
}

#[derive(Debug)]
struct Handler {
    due: Time,
    asker: Asker,
    who: ClientNo,
    key: u64,
    format: Format,
    /// Who else waits for what it answers.
    waiting: Vec<Asker>,
}

impl Till {
    pub(crate) fn new(base: &Base) -> Self {
        let (most, window) = (base.plan.results, base.plan.ttl + LONGEST_TTL);
        let bounds = Bounds { window, entries: most, bytes: 1 << 30, answer: 1_000 };
        Self { results: Results::new(bounds), handlers: Vec::new(), most, window }
    }

    /// A request has come; gives its answer where there is one already.
    pub(crate) fn begin(
        &mut self,
        asker: Asker,
        (who, format): (ClientNo, Format),
        said: Payment,
        base: &mut Base,
    ) -> Result<Option<Answer>, Broken> {
        let expected = base.oracle.turn(who, (said, self.most), base.now);
        let print = Print { format, hashes: [said.job, !said.job] };
        let (turn, answer) = match self.results.begin(&name(who, said.key), print, base.now) {
            Ok(Begin::Run) => ("runs", None),
            Ok(Begin::Wait(waiting)) => {
                waiting.push(asker);
                let mut handlers = self.handlers.iter_mut();
                let handler = handlers.find(|it| (it.who, it.key) == (who, said.key));
                if let Some(handler) = handler {
                    handler.waiting.push(asker);
                }
                ("waits", None)
            }
            Ok(Begin::Known(answer)) => ("is known", Some(answer)),
            Err(fault) => ("is refused", Some(Answer::Fault(fault))),
        };
        base.note(format_args!("{said:?} of client {who} {turn}"));
        let good = match expected {
            Turn::Run => turn == "runs",
            Turn::Wait => turn == "waits",
            Turn::Known(paid) => turn == "is known" && answer == Some(answer_of(paid, format)),
            Turn::Other => code_of(answer.as_ref()) == Some(FaultCode::Invalid),
            Turn::Full => code_of(answer.as_ref()) == Some(FaultCode::Overloaded),
        };
        hold("I19", good, || format!("{said:?} {turn}, {answer:?}: expected {expected:?}"))?;
        base.hit(match expected {
            Turn::Run => "key_is_new",
            Turn::Wait => "key_is_under_way",
            Turn::Known(_) => "key_is_known",
            Turn::Other => "key_of_another",
            Turn::Full => "no_room_for_keys",
        });
        if expected == Turn::Run {
            let longest = if base.chance(4) { 8_000 } else { 200 };
            let due = base.within(longest);
            self.handlers.push(Handler {
                due,
                asker,
                who,
                key: said.key,
                format,
                waiting: Vec::new(),
            });
        }
        Ok(answer)
    }

    /// The handlers that are done: whom they answer, and what.
    pub(crate) fn end_due(&mut self, base: &mut Base) -> Result<Vec<(Asker, Answer)>, Broken> {
        let mut answers = Vec::new();
        let (done, rest) =
            mem::take(&mut self.handlers).into_iter().partition(|it| it.due <= base.now);
        self.handlers = rest;
        for Handler { asker, who, key, format, waiting, .. } in done {
            let paid = match base.rng.u32(..16) {
                0 => Paid::Failed,
                1 | 2 => Paid::Untouched,
                _ => Paid::Done(base.next_job()),
            };
            base.oracle.pays(who, key, paid, base.now + self.window);
            let answer = answer_of(paid, format);
            let waited = self.results.end(&name(who, key), &answer, base.now);
            hold("I19", waited == waiting, || {
                format!("{waited:?} are told what came under {key}, {waiting:?} wait for it")
            })?;
            let askers = std::iter::once(asker).chain(waited);
            answers.extend(askers.map(|asker| (asker, answer.clone())));
        }
        Ok(answers)
    }

    pub(crate) fn due(&self) -> Option<Time> {
        self.handlers.iter().map(|handler| handler.due).min()
    }
}

fn name(who: ClientNo, key: u64) -> Name {
    Name { principal: who.to_string(), kind: REQUESTS[PAY].kind, key: key.to_string().into() }
}

fn answer_of(paid: Paid, format: Format) -> Answer {
    match paid {
        Paid::Done(effect) => Answer::Ok(numbered(format, effect)),
        Paid::Failed => Answer::Fault(Fault::new(FaultCode::Internal, "nobody knows")),
        Paid::Untouched => {
            Answer::Fault(Fault::new(FaultCode::Overloaded, "not now").retry(Retry::Safe))
        }
    }
}

fn code_of(answer: Option<&Answer>) -> Option<FaultCode> {
    match answer {
        Some(Answer::Fault(fault)) => Some(fault.code),
        _ => None,
    }
}
