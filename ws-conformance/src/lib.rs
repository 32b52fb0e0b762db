//! The conformance runner (`docs/conformance.md`): numbered cases that are played against a server
//! or a client of the wire protocol, in any language, over real WebSockets.
//!
//! One side is played by hand-written frames, the other is judged: by what each case shows, and by
//! the rules that hold for every frame. [`judge_server`] and [`judge_client`] play the cases,
//! [`transcript`] is the grammar of their frames, which the transcripts of `docs/sessions` share.

mod case;
mod judge;
mod line;
mod names;
mod play;
mod recorded;
mod report;
mod testee;
pub mod transcript;
mod wire;

pub use case::{Case, cases};
pub use report::{CaseResult, Report, Totals, Verdict};

use futures_util::{StreamExt, stream};
use play::Subject;
use ws_proto::Format;

/// Cases that are played at the same time: most of them wait.
const AT_ONCE: usize = 8;

/// Which cases to play, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The wire format to speak.
    pub format: Format,
    /// Only the cases whose id begins so: `6.3`, `6.`, `resume.md`. All where nothing is said.
    pub only: Option<String>,
    /// How many cases are played at the same time.
    pub at_once: usize,
}

impl Plan {
    /// Every case, in one format.
    #[must_use]
    pub const fn new(format: Format) -> Self {
        Self { format, only: None, at_once: AT_ONCE }
    }

    fn takes(&self, case: &Case) -> bool {
        self.only.as_deref().is_none_or(|only| {
            let is_page = case.id.split('/').next() == Some(only);
            case.id == only || is_page || (only.ends_with('.') && case.id.starts_with(only))
        })
    }
}

/// Plays the cases for servers against the one at a URL (`ws://host:port/path`). It has to serve
/// the contract `schema/conformance.json` as `docs/conformance.md` says.
pub async fn judge_server(url: &str, plan: &Plan) -> Report {
    let subject = Subject::Server(url.to_owned());
    judge("server", url.to_owned(), subject, server_cases(), plan).await
}

/// Plays the cases for clients against the one that a command starts: a testee, which obeys the
/// orders that `docs/conformance.md` lists. One process is started for each case.
pub async fn judge_client(command: &[String], plan: &Plan) -> Report {
    let subject = Subject::Client(command.to_vec());
    judge("client", command.join(" "), subject, client_cases(), plan).await
}

/// The cases for servers, in their order.
#[must_use]
pub fn server_cases() -> Vec<Case> {
    let mut all = own(include_str!("../cases/server.md"));
    all.extend(recorded::for_servers());
    all
}

/// The cases for clients, in their order.
#[must_use]
pub fn client_cases() -> Vec<Case> {
    let mut all = own(include_str!("../cases/client.md"));
    all.extend(recorded::for_clients());
    all
}

fn own(page: &str) -> Vec<Case> {
    // A test reads every page that is built in.
    cases(page).unwrap_or_default()
}

async fn judge(
    side: &str,
    name: String,
    subject: Subject,
    cases: Vec<Case>,
    plan: &Plan,
) -> Report {
    let taken: Vec<_> = cases.into_iter().filter(|case| plan.takes(case)).collect();
    let played = taken.iter().map(|case| result(&subject, case, plan.format));
    let results = stream::iter(played).buffered(plan.at_once.max(1)).collect().await;
    Report::new(side, name, plan.format.to_string(), results)
}

async fn result(subject: &Subject, case: &Case, format: Format) -> CaseResult {
    let (result, reason) = match case.skips(format) {
        Some(why) => (Verdict::Skipped, Some(why.to_owned())),
        None => match subject.play(case, format).await {
            Ok(()) => (Verdict::Passed, None),
            Err(error) => (Verdict::Failed, Some(error)),
        },
    };
    let (id, title, section) = (case.id.clone(), case.title.clone(), case.section);
    CaseResult { id, title, result, reason, section }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use transcript::Who;

    #[test]
    fn every_case_has_a_number_of_its_own_and_only_steps() {
        for (page, ours) in [
            (include_str!("../cases/server.md"), Who::C),
            (include_str!("../cases/client.md"), Who::S),
        ] {
            let cases = cases(page).expect("a page of cases");
            assert_eq!(cases.len(), page.matches("\n## ").count());
            let ids: BTreeSet<_> = cases.iter().map(|case| &case.id).collect();
            assert_eq!(ids.len(), cases.len(), "a number is given once");
            for case in &cases {
                assert!(!case.steps.is_empty(), "{} has no steps", case.id);
                for line in &case.steps {
                    let step = line.step(ours).map(drop);
                    assert_eq!(step, Ok(()), "{}, line {}: {}", case.id, line.number, line.text);
                }
            }
        }
    }

    #[test]
    fn a_plan_takes_a_case_a_section_or_a_page() {
        let taken = |only: &str| {
            let plan = Plan { only: Some(only.to_owned()), ..Plan::new(Format::Json) };
            server_cases().iter().filter(|case| plan.takes(case)).count()
        };
        assert_eq!(taken("6.1"), 1, "6.10 is another one");
        assert!(taken("6.") > 10);
        assert!(taken("malformed-frame.md") > 1);
        assert_eq!(taken("0.1"), 0);
    }
}
