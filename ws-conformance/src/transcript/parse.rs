//! From a Markdown page to steps.

use super::Short;
use std::time::Duration;

/// One fenced block of a page.
#[derive(Clone, Debug)]
pub struct Block {
    /// The page.
    pub file: String,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// One line of a block.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number in the page, from 1.
    pub number: usize,
    /// Its text.
    pub text: String,
}

/// One end of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The client.
    C,
    /// The server.
    S,
    /// The server's session of the connection before, while a new one is being greeted.
    P,
}

/// What a line says.
#[derive(Clone, Debug)]
pub enum Step {
    /// This side is scripted: its frames are typed, not made by a session.
    Peer(Who),
    /// A bound of this side is another one.
    Config(Who, String, u64),
    /// A frame travels; false when it is lost on the way.
    Frame(Who, Short, bool),
    /// A scripted side sends these bytes.
    Raw(Who, String),
    /// A scripted side breaks a rule below the envelopes.
    Breaks(Who, String),
    /// The application of this side tells its session something.
    Command(Who, Short),
    /// .. something that is misuse.
    Misuse(Who, Short),
    /// The session tells the application of this side something.
    Event(Who, Short),
    /// The transport of this side takes nothing, or takes messages again.
    Full(Who, bool),
    /// Time moves.
    Wait(Duration),
    /// Time moves while both machines sleep: no timer fires before the end.
    Asleep(Duration),
    /// The connection is lost, and only this side notices, or both do.
    Lost(Option<Who>),
}

impl Who {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::C => Self::S,
            Self::S | Self::P => Self::C,
        }
    }
}

/// The blocks of a page.
#[must_use]
pub fn blocks(file: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim();
        if let Some(mut block) = open.take() {
            if fence == "```" {
                blocks.push(block);
                continue;
            }
            if !fence.is_empty() && !fence.starts_with('#') {
                block.lines.push(Line { number, text: fence.to_owned() });
            }
            open = Some(block);
        } else if fence == "```session" {
            open = Some(Block { file: file.to_owned(), lines: Vec::new() });
        }
    }
    blocks
}

impl Line {
    /// What the line says.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote the line.
    pub fn step(&self) -> Result<Step, String> {
        let (first, rest) = self.text.split_once(' ').unwrap_or((&self.text, ""));
        let rest = rest.trim();
        match first {
            "C:" => Ok(Step::Frame(Who::C, Short::parse(rest)?, true)),
            "S:" => Ok(Step::Frame(Who::S, Short::parse(rest)?, true)),
            // It goes nowhere: its connection is not that of the client any more.
            "P:" => Ok(Step::Frame(Who::P, Short::parse(rest)?, false)),
            "P" => of_side(Who::P, rest),
            "C" => of_side(Who::C, rest),
            "S" => of_side(Who::S, rest),
            "peer" => Ok(Step::Peer(who(rest)?)),
            "config" => config(rest),
            "--" => time(rest),
            _ => no_step(),
        }
    }
}

fn of_side(who: Who, rest: &str) -> Result<Step, String> {
    let (what, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    match (what, rest) {
        ("full", "") => Ok(Step::Full(who, true)),
        ("free", "") => Ok(Step::Full(who, false)),
        ("lost:", frame) => Ok(Step::Frame(who, Short::parse(frame)?, false)),
        ("raw:", bytes) => Ok(Step::Raw(who, bytes.to_owned())),
        ("breaks:", rule) => Ok(Step::Breaks(who, rule.to_owned())),
        ("app>", command) => Ok(Step::Command(who, Short::parse(command)?)),
        ("app!", command) => Ok(Step::Misuse(who, Short::parse(command)?)),
        ("app<", event) => Ok(Step::Event(who, Short::parse(event)?)),
        _ => no_step(),
    }
}

fn config(rest: &str) -> Result<Step, String> {
    let (side, setting) = rest.split_once(' ').ok_or("config of which side?")?;
    let (name, value) = setting.split_once('=').ok_or("a setting is `name=number`")?;
    let value = value.parse().map_err(|_| "a setting is a number")?;
    Ok(Step::Config(who(side)?, name.to_owned(), value))
}

fn time(rest: &str) -> Result<Step, String> {
    match rest.split_once(' ') {
        None if rest == "lost" => Ok(Step::Lost(None)),
        None => Ok(Step::Wait(duration(rest)?)),
        Some(("lost", rest)) => Ok(Step::Lost(Some(who(rest)?))),
        Some(("asleep", rest)) => Ok(Step::Asleep(duration(rest)?)),
        Some(_) => no_step(),
    }
}

/// A duration: `250ms`, `30s`, `2min`.
///
/// # Errors
///
/// A sentence for whoever wrote the line.
pub fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no time"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "min" => Ok(Duration::from_secs(60 * number)),
        _ => Err(format!("`{text}` is no time: write ms, s or min")),
    }
}

fn who(text: &str) -> Result<Who, String> {
    match text {
        "C" => Ok(Who::C),
        "S" => Ok(Who::S),
        _ => Err(format!("`{text}` is no side: write C or S")),
    }
}

fn no_step() -> Result<Step, String> {
    Err("no step of the grammar: see docs/sessions/README.md".to_owned())
}
