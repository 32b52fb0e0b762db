//! Runs one workload a number of times, for `cargo xtask counts` to count its instructions.
//!
//! `ws-counts` prints the names of the workloads; `ws-counts <name> <rounds>` runs one. A workload
//! prepares what it needs, and then does the same work in each of its rounds: what is counted is
//! the difference between two numbers of rounds, so that the preparation does not count. Another
//! workload is another line of `WORKLOADS`.

mod codec;
mod connect;
mod heartbeat;
mod many;
mod server;

use std::process::ExitCode;

/// What can go wrong in a workload.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// A name, and what does the work that many times.
type Workload = (&'static str, fn(u64) -> Outcome);

/// Every workload, in the order of the table.
const WORKLOADS: &[&[Workload]] = &[
    codec::WORKLOADS,
    server::WORKLOADS,
    many::WORKLOADS,
    heartbeat::WORKLOADS,
    connect::WORKLOADS,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome {
    let mut workloads = WORKLOADS.iter().copied().flatten();
    match arguments {
        [] => {
            workloads.for_each(|(name, _)| println!("{name}"));
            Ok(())
        }
        [wanted, rounds] => {
            let found = workloads.find(|(name, _)| name == wanted);
            let (_, work) = found.ok_or("no workload of that name")?;
            work(rounds.parse()?)
        }
        _ => Err("ws-counts [<workload> <rounds>]".into()),
    }
}
