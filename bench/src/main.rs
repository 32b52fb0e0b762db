//! Measures ws-proto against raw WebSockets and other servers; `bench/README.md` says how.

mod child;
mod meter;
mod proto;
mod requests;
mod servers;
mod voice;
mod wire;

use crate::{child::GENERATOR_CORE, servers::Outcome};
use requests::{Measured, SHAPES, SYSTEMS};
use std::{env, os::unix::process::CommandExt, process::Command, time::Duration};

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

async fn run(words: &[&str]) -> Outcome {
    let (rounds, ms) = match words {
        [_, rounds, ms, ..] => (rounds.parse()?, ms.parse()?),
        _ => (3, 600),
    };
    for shape in SHAPES {
        let mut all = vec![Vec::new(); SYSTEMS.len()];
        for _ in 0..rounds {
            let mut order: Vec<usize> = (0..SYSTEMS.len()).collect();
            fastrand::shuffle(&mut order);
            for index in order {
                all[index]
                    .push(requests::run(SYSTEMS[index], shape, Duration::from_millis(ms)).await?);
            }
        }
        println!("{}", shape.name);
        for (system, runs) in SYSTEMS.iter().zip(&all) {
            let of = |f: fn(&Measured) -> f64| {
                meter::Meter::quantile(&runs.iter().map(f).collect::<Vec<_>>(), 0.5)
            };
            println!(
                "  {:22} {:>10.0}/s  {:>6.3} us CPU  p50 {:>5.1}  p99 {:>5.1}",
                system.name,
                of(|m| m.per_second),
                of(|m| m.cpu),
                of(|m| m.p50),
                of(|m| m.p99)
            );
        }
    }
    Ok(())
}
