//! Where lines come from and where they go: a terminal with an editor, or pipes.

use super::complete::Completing;
use crate::{
    contract::Contract,
    documents::{self, Failure},
};
use rustyline::{Config, Editor, ExternalPrinter, error::ReadlineError, history::DefaultHistory};
use std::{
    io::{self, BufRead as _, IsTerminal as _},
    path::Path,
    sync::Arc,
    thread,
};
use tokio::sync::mpsc;

/// What stands before each line.
pub(crate) const PROMPT: &str = "> ";
/// Lines that are kept to be found again.
const HISTORY: usize = 1000;

/// Lines, one after another; it ends with the input.
pub(crate) struct Input {
    lines: mpsc::Receiver<String>,
    /// One for each line that was dealt with: the next prompt waits for it.
    done: Option<std::sync::mpsc::Sender<()>>,
}

/// Prints without breaking the line that somebody types.
pub(crate) enum Output {
    Pipe,
    Terminal(Box<dyn ExternalPrinter + Send>, #[expect(dead_code, reason = "held")] Restore),
}

impl Input {
    /// The next line. May be dropped and asked again.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// The line was dealt with.
    pub(crate) fn go_on(&self) {
        if let Some(done) = &self.done {
            // An editor that is gone prompts no more.
            let _ = done.send(());
        }
    }
}

impl Output {
    /// Prints one line.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Pipe => documents::write(None, &format!("{text}\n")),
            Self::Terminal(printer, _) => printer
                .print(format!("{text}\n"))
                .map_err(|error| Failure::Live(format!("the terminal: {error}"))),
        }
    }

    pub(crate) const fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(..))
    }
}

/// An editor where somebody types and reads, pipes elsewhere.
pub(crate) fn open(
    known: Option<Arc<Contract>>,
    history: Option<&Path>,
) -> Result<(Input, Output), Failure> {
    let (to, lines) = mpsc::channel(1);
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        thread::spawn(move || read_pipe(&to));
        return Ok((Input { lines, done: None }, Output::Pipe));
    }
    let failed = |error: ReadlineError| Failure::Live(format!("the terminal: {error}"));
    let restore = Restore::new();
    let config = Config::builder()
        .auto_add_history(true)
        .max_history_size(HISTORY)
        .map_err(failed)?
        .completion_type(rustyline::CompletionType::List)
        .bracketed_paste(false)
        .build();
    let mut editor = Editor::<Completing, DefaultHistory>::with_config(config).map_err(failed)?;
    editor.set_helper(Some(Completing(known)));
    if let Some(path) = history.filter(|path| path.exists()) {
        editor.load_history(path).map_err(failed)?;
    }
    let printer = editor.create_external_printer().map_err(failed)?;
    let (done, go_on) = std::sync::mpsc::channel();
    let history = history.map(Path::to_owned);
    thread::spawn(move || edit(editor, history.as_deref(), &to, &go_on));
    Ok((Input { lines, done: Some(done) }, Output::Terminal(Box::new(printer), restore)))
}

fn read_pipe(to: &mpsc::Sender<String>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        if to.blocking_send(line).is_err() {
            break;
        }
    }
}

fn edit(
    mut editor: Editor<Completing, DefaultHistory>,
    history: Option<&Path>,
    to: &mpsc::Sender<String>,
    go_on: &std::sync::mpsc::Receiver<()>,
) {
    loop {
        match editor.readline(PROMPT) {
            Ok(line) => {
                if let Some(path) = history {
                    // Lines that are not kept are no reason to end.
                    let _ = editor.append_history(path);
                }
                if to.blocking_send(line).is_err() || go_on.recv().is_err() {
                    break;
                }
            }
            // The line is given up, as in a shell.
            Err(ReadlineError::Interrupted) => {}
            Err(_) => break,
        }
    }
}

/// The terminal as it was: an editor that waits for a line when the program ends leaves it in a
/// state in which nothing is shown that is typed.
pub(crate) struct Restore {
    #[cfg(unix)]
    was: Option<rustix::termios::Termios>,
}

impl Restore {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            was: rustix::termios::tcgetattr(io::stdin()).ok(),
        }
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(was) = &self.was {
            let now = rustix::termios::OptionalActions::Now;
            // A terminal that is gone needs nothing.
            let _ = rustix::termios::tcsetattr(io::stdin(), now, was);
        }
    }
}
