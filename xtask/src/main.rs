//! Everything that is more than one cargo command: `cargo xtask help`.

mod bench;
mod browser;
mod chaos;
mod counts;
mod faults;
mod go;
mod mutants;
mod npm;
mod packages;
mod process;
mod progress;
mod programs;
mod python;
mod python_client;
mod schema;
mod sim;
mod steps;
mod tally;

use process::Workspace;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  test           every check, in order, up to the first that fails
  test --quick   the same without simulation, mutants, counts, documentation and other languages
  test <step>..  only these, by the names that `test` prints, and what prepares for them
  bench          measures against other servers, at most 15 minutes; writes bench/results.md
  bench --quick [<workload>..]
  chaos          20,000 lost connections, and nothing else is lost
  chaos --reconnects <n>
  counts         instructions of each workload of counts/, against counts/table.txt
  counts --write writes that table again
  faults         writes docs/faults.md again, from xtask/faults.txt
  page           makes the script of the chat's page again, from its sources
  schema         writes the committed files under schema/ again
  sim --seeds N  many simulated runs, see ws-sim/README.md
  mutants        plants bugs in a copy of the core; the simulation has to notice each
  mutants [--seeds <n>] [<name>]
  help           this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let workspace = Workspace::find();
    let good = match arguments.as_slice() {
        ["test"] => progress::run(&steps::all(&workspace)),
        ["test", "--quick"] => progress::run(&steps::quick(&workspace)),
        ["test", names @ ..] => match steps::named(&workspace, names) {
            Ok(steps) => progress::run(&steps),
            Err(text) => {
                eprintln!("{text}");
                return ExitCode::from(2);
            }
        },
        ["bench", rest @ ..] => bench::shown(&workspace, rest),
        ["chaos"] => progress::run(&[chaos::step(&workspace, chaos::RECONNECTS)]),
        ["chaos", "--reconnects", count] => progress::run(&[chaos::step(&workspace, count)]),
        ["counts"] => progress::run(&[counts::step(&workspace)]),
        ["counts", "--write"] => counts::write(&workspace),
        ["faults"] => faults::write(&workspace),
        ["page"] => progress::run(&[npm::tools(&workspace), browser::page(&workspace)]),
        ["schema"] => progress::run(&[schema::step(&workspace)]),
        ["sim", rest @ ..] => sim::shown(&workspace, rest),
        ["mutants"] => mutants(&workspace, mutants::SEEDS, None),
        ["mutants", "--seeds", count, name @ ..] if name.len() < 2 => {
            let seeds = count.parse().unwrap_or(mutants::SEEDS);
            mutants(&workspace, seeds, name.first().copied())
        }
        ["mutants", name] => mutants(&workspace, mutants::SEEDS, Some(name)),
        ["help" | "--help" | "-h"] | [] => {
            print!("{HELP}");
            true
        }
        unknown => {
            eprintln!("`cargo xtask {}` does not exist\n\n{HELP}", unknown.join(" "));
            return ExitCode::from(2);
        }
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Tries planted bugs, and shows what was noticed.
fn mutants(workspace: &Workspace, seeds: u64, name: Option<&str>) -> bool {
    match mutants::report(workspace, seeds, name) {
        Ok(report) => {
            print!("{report}");
            report.is_good()
        }
        Err(text) => {
            print!("{text}");
            false
        }
    }
}
