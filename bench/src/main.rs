//! Measures ws-proto against raw WebSockets and other servers; `bench/README.md` says how.

mod book;
mod child;
mod codec;
mod external;
mod fanout;
mod growth;
mod idle;
mod meter;
mod proto;
mod report;
mod requests;
mod resume;
mod servers;
mod storm;
mod voice;
mod wire;

use crate::{
    book::{Plan, Table, Verdict},
    child::GENERATOR_CORE,
    servers::Outcome,
};
use std::{env, os::unix::process::CommandExt, process::Command, time::Duration};

const WORKLOADS: [&str; 7] = ["requests", "fanout", "idle", "storm", "codec", "resume", "growth"];
/// Asks for short runs.
const QUICKLY: &str = "--quick";
/// No benchmark of everything takes longer.
const LONGEST: Duration = Duration::from_mins(15);

/// Runs that last long enough to be compared.
const FULL: Plan = Plan { rounds: 3, ms: 500, is_quick: false };
/// Runs that show what is far off.
const QUICK: Plan = Plan { rounds: 3, ms: 250, is_quick: true };

fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", name] => servers::serve(name),
        ["pinned", words @ ..] => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(words))
        }
        words => {
            let core = GENERATOR_CORE.to_string();
            let mut pinned = Command::new("taskset");
            pinned.args(["-c", &core]).arg(env::current_exe()?).arg("pinned").args(words);
            Err(pinned.exec().into())
        }
    }
}

/// Whether runs are short, and the workloads that are named; none stands for all.
fn wanted<'a>(words: &[&'a str]) -> Outcome<(bool, Vec<&'a str>)> {
    let (flags, names): (Vec<_>, Vec<_>) = words.iter().copied().partition(|word| *word == QUICKLY);
    match names.iter().find(|name| !WORKLOADS.contains(name)) {
        None => Ok((!flags.is_empty(), names)),
        Some(unknown) => {
            let known = WORKLOADS.join(", ");
            Err(format!("no workload `{unknown}`; there are {known}, and `{QUICKLY}`").into())
        }
    }
}

/// Measures what is named, or everything, and then writes it down.
async fn run(words: &[&str]) -> Outcome {
    let (is_quick, names) = wanted(words)?;
    let load = report::load();
    let plan = if is_quick { QUICK } else { FULL };
    let mut tables = Vec::new();
    let mut verdicts = Vec::new();
    let all = async {
        for name in WORKLOADS {
            if names.is_empty() || names.contains(&name) {
                measure(name, plan, &mut tables, &mut verdicts).await;
            }
        }
    };
    let in_time = tokio::time::timeout(LONGEST, all).await.is_ok();
    println!("{}", report::targets(&verdicts));
    if names.is_empty() && !is_quick {
        report::write(&tables, &verdicts, &load)?;
    }
    if in_time { Ok(()) } else { Err("15 minutes were not enough for all of it".into()) }
}

async fn measure(name: &str, plan: Plan, tables: &mut Vec<Table>, verdicts: &mut Vec<Verdict>) {
    let (measured, judged) = match name {
        "requests" => {
            let measured = requests::tables(plan).await;
            let judged = requests::verdicts(&measured);
            (measured, judged)
        }
        "fanout" => {
            let measured = fanout::tables(plan).await;
            let judged = measured.last().map(fanout::verdicts).unwrap_or_default();
            (measured, judged)
        }
        "idle" => {
            let measured = idle::tables(plan).await;
            let judged = idle::verdicts(&measured);
            (measured, judged)
        }
        "storm" => {
            let table = storm::table(plan).await;
            let judged = storm::verdicts(&table);
            (vec![table], judged)
        }
        "codec" => {
            let table = codec::table(plan).await;
            let judged = codec::verdicts(&table);
            (vec![table], judged)
        }
        "resume" => (vec![resume::table(plan).await], Vec::new()),
        _ => {
            let measured = growth::tables(plan).await;
            let judged = growth::verdicts(&measured);
            (measured, judged)
        }
    };
    tables.extend(measured);
    verdicts.extend(judged);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_nobody_knows_starts_nothing() {
        for words in [&["--help"][..], &["--quick", "idel"], &["codec", "--quik"]] {
            let error = wanted(words).unwrap_err().to_string();
            assert!(error.starts_with("no workload `") && error.contains("storm"), "{error}");
        }
        assert_eq!(wanted(&["--quick", "codec"]).unwrap(), (true, vec!["codec"]));
        assert_eq!(wanted(&[]).unwrap(), (false, vec![]));
    }
}
