//! The pages of cases: a heading with a number, a sentence, a block of steps.

use crate::transcript::{Short, Who, duration};
use serde_json::Value;
use std::time::Duration;
use ws_proto::Format;

/// One numbered case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The stable number, `6.3`.
    pub id: String,
    /// What the case is about.
    pub title: String,
    /// The section of `docs/protocol.md`.
    pub section: u32,
    pub(crate) steps: Vec<Line>,
    /// Whether the subject may say more than the case shows: its application is not that of the
    /// transcript.
    pub(crate) is_open: bool,
    /// Why the case cannot be played.
    pub(crate) skip: Option<&'static str>,
}

/// One line of a case.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Its number in the page.
    pub(crate) number: usize,
    /// Its text.
    pub(crate) text: String,
}

/// What a line says.
#[derive(Debug)]
pub(crate) enum Step {
    /// The runner sends a frame, `true` where it is filled in and checked.
    Send(Short, bool),
    /// The runner sends the same frame so many times.
    Flood(u32, Short),
    /// The runner sends this text.
    Raw(String),
    /// The runner breaks a rule below the envelopes.
    Breaks(String),
    /// The subject sends this frame.
    Expect(Short),
    /// The subject answers the message of this name, in whatever way.
    Answers(String),
    /// The subject closes the connection with this code; of the connection before where that is so.
    Closes(u16, bool),
    /// The runner closes the WebSocket with this code.
    Close(u16),
    /// The testee is told to do something.
    Order(Value),
    /// The testee says something.
    Report(Value),
    /// Another connection, to or from the subject.
    Connect,
    /// The connection is dropped.
    Lost,
    /// Nothing but acknowledgements and signs of life come for a time.
    Quiet(Duration),
    /// The subject acknowledges up to here, within a time.
    Acknowledged(u64),
    /// The subject acknowledges nothing beyond this.
    NotAcknowledged(u64),
    /// The subject does not answer pings by itself from here on: they are left to the case.
    Silent,
    /// An HTTP request with other headers, and the status of the answer.
    Http(u16, Vec<(String, String)>),
    /// Nothing: a line of the other side's application, or one that was read before.
    Nothing,
}

/// The cases of a page. Its headings are `## 6.3 What holds`.
///
/// # Errors
///
/// A sentence with the line that is no case.
pub fn cases(page: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    let mut is_inside = false;
    for (number, line) in (1..).zip(page.lines()) {
        let text = line.trim();
        if let Some(heading) = text.strip_prefix("## ") {
            cases.push(heading_of(heading).ok_or_else(|| format!("line {number}: no number"))?);
        } else if text.starts_with("```") {
            is_inside = text == "```case";
        } else if is_inside && !text.is_empty() && !text.starts_with('#') {
            let case = cases.last_mut().ok_or_else(|| format!("line {number}: no heading"))?;
            case.steps.push(Line { number, text: text.to_owned() });
        }
    }
    Ok(cases)
}

fn heading_of(heading: &str) -> Option<Case> {
    let (id, title) = heading.split_once(' ')?;
    let section = id.split_once('.')?.0.parse().ok()?;
    let (id, title) = (id.to_owned(), title.to_owned());
    Some(Case { id, title, section, steps: Vec::new(), is_open: false, skip: None })
}

impl Case {
    /// Why the case is not played in a format.
    pub(crate) fn skips(&self, format: Format) -> Option<&'static str> {
        let is_only = self.steps.iter().any(|line| line.text == "-- only json");
        let other = is_only && format != Format::Json;
        self.skip.or(other.then_some("it is about the text of JSON"))
    }
}

impl Line {
    /// What the line says, where the runner plays the side `ours`.
    pub(crate) fn step(&self, ours: Who) -> Result<Step, String> {
        let (first, rest) = self.text.split_once(' ').unwrap_or((&self.text, ""));
        let rest = rest.trim();
        match first {
            "C:" if ours == Who::C => Ok(Step::Send(Short::parse(rest)?, true)),
            "S:" if ours == Who::S => Ok(Step::Send(Short::parse(rest)?, true)),
            "C:" | "S:" => Ok(Step::Expect(Short::parse(rest)?)),
            "C" => side(Who::C, ours, rest),
            "S" => side(Who::S, ours, rest),
            "P" => match rest.split_once(' ') {
                Some(("closes", code)) => Ok(Step::Closes(number(code)?, true)),
                _ => Err("of the connection before only `closes` is said".to_owned()),
            },
            "T>" => Ok(Step::Order(json(rest)?)),
            "T<" => Ok(Step::Report(json(rest)?)),
            "--" => between(rest),
            _ => Err("no step of a case: see docs/conformance.md".to_owned()),
        }
    }
}

fn side(who: Who, ours: Who, rest: &str) -> Result<Step, String> {
    let (what, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    match what {
        "closes" if who == ours => Ok(Step::Close(number(rest)?)),
        "closes" => Ok(Step::Closes(number(rest)?, false)),
        "answers" if who != ours => Ok(Step::Answers(rest.to_owned())),
        "app<" | "app>" | "app!" => Ok(Step::Nothing),
        _ if who != ours => Err("the subject sends frames and closes".to_owned()),
        "bare:" => Ok(Step::Send(Short::parse(rest)?, false)),
        "raw:" => Ok(Step::Raw(rest.to_owned())),
        "breaks:" => Ok(Step::Breaks(rest.to_owned())),
        "floods:" => {
            let (count, frame) = rest.split_once(' ').ok_or("how many of what?")?;
            Ok(Step::Flood(number(count)?, Short::parse(frame)?))
        }
        _ => Err(format!("`{what}` is nothing that a side does")),
    }
}

fn between(rest: &str) -> Result<Step, String> {
    let (what, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    match what {
        "connect" => Ok(Step::Connect),
        "lost" => Ok(Step::Lost),
        "quiet" => Ok(Step::Quiet(duration(rest)?)),
        "acknowledged" => Ok(Step::Acknowledged(number(rest)?)),
        "unacknowledged" => Ok(Step::NotAcknowledged(number(rest)?)),
        "only" => Ok(Step::Nothing),
        "silent" => Ok(Step::Silent),
        "http" => {
            let mut words = rest.split_whitespace();
            let status = number(words.next().unwrap_or_default())?;
            let pair = |word: &str| {
                let (name, value) = word.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            };
            let headers: Option<Vec<_>> = words.map(pair).collect();
            Ok(Step::Http(status, headers.ok_or("a header is `Name=value`")?))
        }
        _ => Err(format!("`-- {what}` is no step")),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gives_its_cases_with_numbers_and_lines() {
        let page = "# Page\n\n## 6.3 Holds\n\nWhy.\n\n```case\nC: $ping\n```\n\n## 6.4 Too\n";
        let cases = cases(page).unwrap();
        assert_eq!((&*cases[0].id, &*cases[0].title, cases[0].section), ("6.3", "Holds", 6));
        assert_eq!((cases[0].steps[0].number, &*cases[0].steps[0].text), (8, "C: $ping"));
        assert_eq!(cases.len(), 2);
    }

    #[test]
    fn a_block_before_the_first_heading_is_refused() {
        assert!(cases("```case\nC: $ping\n```\n").unwrap_err().contains("line 2"));
        assert!(cases("## Holds\n").unwrap_err().contains("line 1"));
    }

    #[test]
    fn a_line_means_what_the_runners_side_makes_of_it() {
        let line = Line { number: 1, text: "C: $ping".to_owned() };
        assert!(matches!(line.step(Who::C), Ok(Step::Send(..))));
        assert!(matches!(line.step(Who::S), Ok(Step::Expect(_))));
    }
}
