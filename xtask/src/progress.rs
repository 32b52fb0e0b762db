//! One line per step, in the order of the steps; the output of a step only when it failed.

use crate::tally::Tally;
use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// One check. It runs to its end and says what it found.
pub(crate) struct Step {
    pub name: &'static str,
    /// The steps that prepare for it.
    pub needs: &'static [&'static str],
    is_beside: bool,
    run: Box<dyn Fn() -> Verdict + Send + Sync>,
}

impl Step {
    pub(crate) fn new(
        name: &'static str,
        run: impl Fn() -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self { name, needs: &[], is_beside: false, run: Box::new(run) }
    }

    /// The steps that prepare for this one.
    pub(crate) fn after(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }

    /// The steps behind this one do not wait for it: it waits for most of its time itself, and uses
    /// nothing that they use, not even cargo, which would wait for them.
    pub(crate) fn beside(self) -> Self {
        Self { is_beside: true, ..self }
    }
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

/// Runs the steps; after a failure none begins any more. False when one failed.
pub(crate) fn run(steps: &[Step]) -> bool {
    shown(steps, &mut io::stdout())
}

/// What came of a step, by its place.
type Ended = (usize, Verdict, Duration);

/// Two lanes: one does the steps in their order, and gives those that run beside the others to
/// another, which has an order of its own.
fn shown(steps: &[Step], to: &mut impl Write) -> bool {
    let has_failed = AtomicBool::new(false);
    let lane = |places: &mut dyn Iterator<Item = usize>, ended: &Sender<Ended>| {
        for at in places.take_while(|_| !has_failed.load(Ordering::Relaxed)) {
            let start = Instant::now();
            let verdict = (steps[at].run)();
            has_failed.fetch_or(verdict.failure.is_some(), Ordering::Relaxed);
            // Nobody hears it where the lines cannot be written.
            let _ = ended.send((at, verdict, start.elapsed()));
        }
    };
    thread::scope(|scope| {
        let (ended, ends) = mpsc::channel();
        let (beside, given) = mpsc::channel();
        let other = ended.clone();
        scope.spawn(move || lane(&mut given.into_iter(), &other));
        scope.spawn(move || {
            let mut own = (0..steps.len()).filter(|at| {
                // The other lane is there until this one lets go of it.
                !steps[*at].is_beside || beside.send(*at).is_err()
            });
            lane(&mut own, &ended);
        });
        // What cannot be written is no reason to stop.
        Lines { to, ends, early: BTreeMap::new() }.show(steps)
    })
}

/// What is shown while the steps run.
struct Lines<'a, W> {
    to: &'a mut W,
    ends: Receiver<Ended>,
    /// What ended before a step that stands before it.
    early: BTreeMap<usize, (Verdict, Duration)>,
}

impl<W: Write> Lines<'_, W> {
    fn show(mut self, steps: &[Step]) -> bool {
        let (start, mut sum, mut good) = (Instant::now(), Tally::default(), true);
        for (at, step) in steps.iter().enumerate() {
            // The name shows what is being waited for.
            let name = format!("{:<18}", step.name);
            if good {
                self.say(format_args!("{name}"));
            }
            let Some((verdict, took)) = self.end_of(at) else {
                if good {
                    self.say(format_args!("not run\n"));
                }
                continue;
            };
            self.say(format_args!("{}{}\n", if good { "" } else { &name }, line(&verdict, took)));
            sum += verdict.tally;
            if let Some(Failure { output, repeat }) = verdict.failure {
                self.say(format_args!("\n{}\n\nrepeat with: {repeat}\n\n", output.trim_end()));
                good = false;
            }
        }
        self.say(format_args!("{sum}   in {:.0} s\n", start.elapsed().as_secs_f64()));
        good
    }

    /// None when it did not run, because another failed.
    fn end_of(&mut self, at: usize) -> Option<(Verdict, Duration)> {
        while !self.early.contains_key(&at) {
            let (ended, verdict, took) = self.ends.recv().ok()?;
            self.early.insert(ended, (verdict, took));
        }
        self.early.remove(&at)
    }

    /// A closed output is no reason to stop.
    fn say(&mut self, what: fmt::Arguments<'_>) {
        let _ = self.to.write_fmt(what).and_then(|()| self.to.flush());
    }
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
    use std::sync::{Arc, Mutex, atomic::AtomicU32, mpsc::SyncSender};

    fn counted(name: &'static str, ran: &Arc<AtomicU32>, good: bool) -> Step {
        let ran = Arc::clone(ran);
        Step::new(name, move || {
            ran.fetch_add(1, Ordering::Relaxed);
            if good { Verdict::default() } else { Verdict::failed("why", "true") }
        })
    }

    /// The first word and the verdict of every line of a step.
    fn told(steps: &[Step]) -> (bool, Vec<String>) {
        let mut text = Vec::new();
        let good = shown(steps, &mut text);
        let text = String::from_utf8(text).expect("it is a text");
        let words = |line: &str| line.split("  ").next().unwrap_or_default().to_owned();
        let is_step = |line: &&str| line.contains(" s") && !line.contains("passed");
        (good, text.lines().filter(is_step).map(words).collect())
    }

    #[test]
    fn the_first_failure_stops_the_run() {
        let ran = Arc::default();
        let steps = [counted("a", &ran, true), counted("b", &ran, false), counted("c", &ran, true)];
        assert_eq!(told(&steps), (false, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(ran.load(Ordering::Relaxed), 2);
    }

    /// A step beside the others that ends when another one says so, which waits until it has begun.
    fn waiting(name: &'static str, good: bool) -> (Step, SyncSender<()>) {
        let (end, ended) = mpsc::sync_channel(0);
        let ended = Mutex::new(ended);
        let step = Step::new(name, move || {
            let heard = ended.lock().expect("nobody panicked").recv();
            heard.expect("the other has not gone");
            if good { Verdict::default() } else { Verdict::failed("why", "true") }
        });
        (step.beside(), end)
    }

    #[test]
    fn a_step_beside_the_others_ends_after_them_and_its_line_stands_before_theirs() {
        let (beside, end) = waiting("beside", true);
        let last = Step::new("last", move || {
            end.send(()).expect("it waits");
            Verdict::default()
        });
        let steps = [beside, counted("between", &Arc::default(), true), last];
        let names = ["beside", "between", "last"].map(str::to_owned);
        assert_eq!(told(&steps), (true, names.to_vec()));
    }

    #[test]
    fn all_that_failed_is_shown_and_the_rest_is_not_begun() {
        let (first, end) = waiting("first", false);
        let ran = Arc::default();
        let second = counted("second", &ran, true).beside();
        let third = Step::new("third", move || {
            end.send(()).expect("it waits");
            Verdict::failed("why", "true")
        });
        let steps = [first, second, third, counted("fourth", &ran, true)];
        assert_eq!(told(&steps), (false, vec!["first".to_owned(), "third".to_owned()]));
        assert_eq!(ran.load(Ordering::Relaxed), 0);
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
