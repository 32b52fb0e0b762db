//! The simulation with one bug on: up to the first seed at which it notices anything.

use std::{
    fmt,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Trials at the same time.
const THREADS: usize = 2;
/// Time after which a trial that does not end is ended.
const PATIENCE: Duration = Duration::from_secs(300);
/// Characters shown of what was noticed.
const WIDTH: usize = 100;
/// How often it is looked whether a trial has ended.
const LOOK: Duration = Duration::from_millis(10);

/// What came of the runs with one bug on.
#[derive(Debug)]
pub(super) struct Trial {
    /// The bug; 0 is none.
    number: usize,
    name: String,
    end: End,
    took: Duration,
}

#[derive(Debug)]
enum End {
    /// The seed and the invariant, as the simulation says them.
    Noticed(String),
    NotNoticed,
    /// It could not be run, or did not end.
    Broken(String),
}

/// Runs each of these bugs, given by number and name.
pub(super) fn run_all(program: &Path, wanted: &[(usize, &str)], seeds: u64) -> Vec<Trial> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((number, name)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let end = run(program, *number, seeds).unwrap_or_else(End::Broken);
                    let took = start.elapsed();
                    let trial = Trial { number: *number, name: (*name).to_owned(), end, took };
                    if let Ok(mut done) = done.lock() {
                        done.push(trial);
                    }
                }
            });
        }
    });
    let mut trials = done.into_inner().unwrap_or_default();
    trials.sort_by_key(|trial| trial.number);
    trials
}

impl Trial {
    pub(super) fn is_good(&self) -> bool {
        match &self.end {
            End::Noticed(_) => self.number > 0,
            End::NotNoticed => self.number == 0,
            End::Broken(_) => false,
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let end = match &self.end {
            End::Noticed(what) | End::Broken(what) => what,
            End::NotNoticed => "nothing was noticed",
        };
        write!(f, "{:<44} {seconds:>5.1} s  {end}", self.name)
    }
}

fn run(program: &Path, number: usize, seeds: u64) -> Result<End, String> {
    let mut child = Command::new(program)
        .args(["--first", &seeds.to_string()])
        .env("WS_MUTANT", number.to_string())
        .stdin(Stdio::null())
        // A line or none: no pipe runs full.
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let start = Instant::now();
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return Err("it does not end".to_owned());
        }
        thread::sleep(LOOK);
    }
    let ran = child.wait_with_output().map_err(|error| error.to_string())?;
    let output = String::from_utf8_lossy(&ran.stdout);
    match (ran.status.success(), output.lines().next()) {
        (true, _) => Ok(End::NotNoticed),
        (false, Some(what)) => Ok(End::Noticed(what.chars().take(WIDTH).collect())),
        (false, None) => Err(format!("it ended with {}", ran.status)),
    }
}
