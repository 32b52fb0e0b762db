//! One line per step; the output of a step only when it failed.

use crate::tally::Tally;
use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

/// One check. It runs to its end and says what it found.
pub(crate) struct Step {
    pub name: &'static str,
    pub run: Box<dyn Fn() -> Verdict>,
}

/// What a step found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub tally: Tally,
    /// What a reader should know although all is well.
    pub note: Option<String>,
    pub failure: Option<Failure>,
}

impl Verdict {
    /// A failure with what there is to say about it, and the command that shows it again.
    pub(crate) fn failed(output: impl Into<String>, repeat: impl Into<String>) -> Self {
        let failure = Failure { output: output.into(), repeat: repeat.into() };
        Self { failure: Some(failure), ..Self::default() }
    }
}

/// Why a step failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub output: String,
    /// The command that shows the failure again.
    pub repeat: String,
}

/// Runs the steps up to the first that fails; false when one did.
pub(crate) fn run(steps: &[Step]) -> bool {
    let mut sum = Tally::default();
    let mut good = true;
    for step in steps {
        print!("{:<16}", step.name);
        // The name shows what is being waited for; a closed output is no reason to stop.
        let _ = io::stdout().flush();
        let start = Instant::now();
        let verdict = (step.run)();
        println!("{}", line(&verdict, start.elapsed()));
        sum += verdict.tally;
        if let Some(failure) = verdict.failure {
            println!("\n{}\n\nrepeat with: {}\n", failure.output.trim_end(), failure.repeat);
            good = false;
            break;
        }
    }
    println!("{sum}");
    good
}

fn line(verdict: &Verdict, took: Duration) -> String {
    let word = if verdict.failure.is_none() { "ok" } else { "FAILED" };
    let mut line = format!("{word:<7}{:>7.1} s", took.as_secs_f64());
    if verdict.tally != Tally::default() {
        line = format!("{line}   {}", verdict.tally);
    }
    if let Some(note) = &verdict.note {
        line = format!("{line}   {note}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, rc::Rc};

    fn counted(ran: &Rc<Cell<u32>>, good: bool) -> Step {
        let ran = Rc::clone(ran);
        let run = move || {
            ran.set(ran.get() + 1);
            let failure = Failure { output: String::new(), repeat: "true".to_owned() };
            Verdict { failure: (!good).then_some(failure), ..Verdict::default() }
        };
        Step { name: "counted", run: Box::new(run) }
    }

    #[test]
    fn the_first_failure_stops_the_run() {
        let ran = Rc::new(Cell::new(0));
        assert!(!run(&[counted(&ran, true), counted(&ran, false), counted(&ran, true)]));
        assert_eq!(ran.get(), 2);
    }

    #[test]
    fn a_line_shows_verdict_duration_counts_and_note() {
        let verdict = Verdict {
            tally: Tally { passed: 3, failed: 0 },
            note: Some("by the way".to_owned()),
            failure: None,
        };
        let line = line(&verdict, Duration::from_millis(1_250));
        assert_eq!(line, "ok         1.2 s   3 passed, 0 failed   by the way");
    }
}
