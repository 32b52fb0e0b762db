//! `ws-sim <seed>` shows one run; `ws-sim --seeds N [--from M]` runs many; `ws-sim --first N` says
//! in one line what is the first that fails.

use std::{
    panic,
    process::{Command, ExitCode},
    thread,
    time::Instant,
};
use ws_sim::{BRANCHES, Counts, Run, run, run_without, shrink};

/// Threads that share the seeds.
const THREADS: u64 = 2;
/// Every branch with a name has to be taken once in as many runs.
const SELDOM: u64 = 10_000;
/// So many runs show it, chance set aside.
const ENOUGH: u64 = 100_000;
/// Every so many runs, one is done twice: the same seed is the same run.
const TWICE: u64 = 1_000;
/// Lines shown of a run that failed.
const LAST: usize = 50;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let good = match arguments.as_slice() {
        ["--seeds", count] => number(count).map(|count| many(0, count)),
        ["--seeds", count, "--from", from] => {
            number(count).zip(number(from)).map(|(count, from)| many(from, count))
        }
        ["--first", count] => number(count).map(first),
        [seed] => number(seed).map(|seed| show(seed, usize::MAX)),
        _ => None,
    };
    match good {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("ws-sim <seed>\nws-sim --seeds N [--from M]\nws-sim --first N");
            ExitCode::from(2)
        }
    }
}

/// Runs one seed and prints its last lines; of a failure, the shortest run that still shows it.
fn show(seed: u64, last: usize) -> bool {
    let found = run(seed, false);
    let without = shrink(seed, &found);
    let Run { hash, steps, broken, lines, .. } = run_without(seed, &without, true);
    for line in &lines[lines.len().saturating_sub(last)..] {
        println!("{line}");
    }
    println!("seed {seed}, {steps} steps, trace {hash:016x}, commit {}", commit());
    if let Some(broken) = &broken {
        let acts = steps.saturating_sub(without.len() as u64);
        println!(
            "broken: {} at step {steps}, of which {acts} act: {}",
            broken.invariant, broken.text
        );
        println!("add it, with a sentence about the bug, to ws-sim/tests/seeds.txt");
    }
    broken.is_none()
}

/// What was run.
fn commit() -> String {
    let asked = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let told = asked.ok().filter(|told| told.status.success());
    told.map_or_else(
        || "unknown".to_owned(),
        |told| String::from_utf8_lossy(&told.stdout).trim().to_owned(),
    )
}

/// The first of so many seeds that fails, and how.
fn first(count: u64) -> bool {
    for seed in 0..count {
        match panic::catch_unwind(|| run(seed, false).broken) {
            Ok(None) => {}
            Ok(Some(broken)) => {
                println!("{} at seed {seed}: {}", broken.invariant, broken.text);
                return false;
            }
            Err(_) => {
                println!("panic at seed {seed}");
                return false;
            }
        }
    }
    true
}

fn many(from: u64, count: u64) -> bool {
    let start = Instant::now();
    let end = from.saturating_add(count);
    let workers: Vec<_> = (0..THREADS)
        .map(|worker| thread::spawn(move || some(from.saturating_add(worker), end)))
        .collect();
    let (mut counts, mut failed) = (Counts::new(), Vec::new());
    for worker in workers {
        let Ok((its_counts, its_failure)) = worker.join() else { return false };
        for (branch, count) in its_counts {
            *counts.entry(branch).or_default() += count;
        }
        failed.extend(its_failure);
    }
    for branch in BRANCHES {
        println!("{:>12} {branch}", counts.get(branch).copied().unwrap_or_default());
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} seeds from {from} in {seconds:.1} s");
    if let Some(seed) = failed.into_iter().min() {
        show(seed, LAST);
        return false;
    }
    let taken = |branch| counts.get(branch).copied().unwrap_or_default();
    let missed: Vec<_> = BRANCHES.iter().filter(|it| taken(*it) < count / SELDOM).collect();
    if count >= ENOUGH && !missed.is_empty() {
        println!("taken less than once in {SELDOM} runs: {missed:?}");
        return false;
    }
    true
}

/// Every second seed up to the first that fails.
fn some(from: u64, end: u64) -> (Counts, Option<u64>) {
    let mut counts = Counts::new();
    let mut seed = from;
    while seed < end {
        let run = run(seed, false);
        for (branch, count) in run.counts {
            *counts.entry(branch).or_default() += count;
        }
        let is_same = !seed.is_multiple_of(TWICE) || ws_sim::run(seed, false).hash == run.hash;
        if !is_same {
            println!("I16: seed {seed} is not one run");
        }
        if run.broken.is_some() || !is_same {
            return (counts, Some(seed));
        }
        seed += THREADS;
    }
    (counts, None)
}
