//! Measures ws-proto against raw WebSockets and other servers; `bench/README.md` says how.

mod book;
mod child;
mod external;
mod fanout;
mod idle;
mod meter;
mod proto;
mod requests;
mod servers;
mod storm;
mod voice;
mod wire;

use crate::{book::Plan, child::GENERATOR_CORE, servers::Outcome};
use std::{env, os::unix::process::CommandExt, process::Command};

/// Runs that last long enough to be compared.
const FULL: Plan = Plan { rounds: 3, ms: 600, is_quick: false };
/// Runs that show what is far off.
const QUICK: Plan = Plan { rounds: 2, ms: 300, is_quick: true };

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

/// Measures what is named, or everything.
async fn run(words: &[&str]) -> Outcome {
    let plan = if words.contains(&"--quick") { QUICK } else { FULL };
    let names: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("--")).collect();
    let is_wanted = |name| names.is_empty() || names.contains(&name);
    let mut tables = Vec::new();
    let mut verdicts = Vec::new();
    if is_wanted("requests") {
        let measured = requests::tables(plan).await;
        verdicts.extend(requests::verdicts(&measured));
        tables.extend(measured);
    }
    if is_wanted("fanout") {
        let measured = fanout::tables(plan).await;
        verdicts.extend(measured.last().map(fanout::verdicts).unwrap_or_default());
        tables.extend(measured);
    }
    if is_wanted("idle") {
        let measured = idle::tables(plan).await;
        verdicts.extend(idle::verdicts(&measured));
        tables.extend(measured);
    }
    if is_wanted("storm") {
        let table = storm::table(plan).await;
        verdicts.extend(storm::verdicts(&table));
        tables.push(table);
    }
    println!("| target | measured | wanted | |\n|---|---:|---:|---|");
    for verdict in &verdicts {
        println!("{verdict}");
    }
    Ok(())
}
