//! The transcripts of `docs/sessions` whose other side is scripted, as cases: they are played as
//! they stand, against a server or a client whose application is that of the contract.

use crate::{
    case::{Case, Line},
    transcript::{Block, Short, blocks},
};
use serde_json::{Value, json};

/// A page: its name, the section of `docs/protocol.md` that it is about, its text.
type Page = (&'static str, u32, &'static str);

macro_rules! pages {
    ($($name:literal $section:literal),+ $(,)?) => {
        &[$(($name, $section, include_str!(concat!("../../docs/sessions/", $name)))),+]
    };
}

/// The pages that have a scripted side.
const PAGES: &[Page] = pages![
    "ack-above-sent.md" 6,
    "acknowledgements.md" 6,
    "after-a-sleep.md" 9,
    "callback-resume.md" 7,
    "cancel.md" 7,
    "connection-lost-and-again.md" 10,
    "credentials-expire.md" 11,
    "deadline.md" 7,
    "duplicate-and-missing-seq.md" 6,
    "first-frame-not-hello.md" 4,
    "gap.md" 8,
    "heartbeat-missed.md" 9,
    "hello-too-late.md" 4,
    "in-flight-limit.md" 7,
    "malformed-frame.md" 2,
    "one-flight.md" 4,
    "rate-limited.md" 12,
    "renewal-refused.md" 11,
    "renewal.md" 11,
    "request-of-another-version.md" 5,
    "restart-snapshot.md" 8,
    "resume-refused.md" 6,
    "resume.md" 6,
    "second-hello.md" 4,
    "server-stops.md" 10,
    "subscribe-and-events.md" 8,
    "subscribe-denied.md" 8,
    "take-over.md" 6,
    "too-large.md" 12,
    "unknown-control-frame.md" 5,
    "unknown-request.md" 5,
    "unsubscribe-barrier.md" 8,
    "upload-beyond-credit.md" 7,
    "wrong-direction.md" 6,
    "wrong-format.md" 1,
];

/// The transcripts that a server is judged by.
pub(crate) fn for_servers() -> Vec<Case> {
    recorded("peer C", server_line, server_skip)
}

/// The transcripts that a client is judged by.
pub(crate) fn for_clients() -> Vec<Case> {
    recorded("peer S", client_line, client_skip)
}

fn recorded(
    scripted: &str,
    line: fn(&str) -> Option<String>,
    skip: fn(&str) -> Option<&'static str>,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, section, text) in PAGES {
        let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
        for (number, block) in (1..).zip(blocks(name, text)) {
            if !block.lines.iter().any(|line| line.text == scripted) {
                continue;
            }
            let id = format!("{name}/{number}");
            cases.push(Case {
                skip: why_not(&block).or_else(|| skip(&id)),
                id,
                title: title.to_owned(),
                section: *section,
                steps: steps(&block, line),
                is_open: true,
            });
        }
    }
    cases
}

fn steps(block: &Block, line: fn(&str) -> Option<String>) -> Vec<Line> {
    let translated = block.lines.iter().filter_map(|it| {
        let text = line(&it.text.replace("$hello chat", "$hello conformance"))?;
        Some(Line { number: it.number, text })
    });
    translated.collect()
}

/// What cannot be played over a socket, whoever is judged.
fn why_not(block: &Block) -> Option<&'static str> {
    let has = |what: &dyn Fn(&str) -> bool| block.lines.iter().any(|line| what(&line.text));
    if has(&|text| text.starts_with("config")) {
        Some("it needs other limits than the contract's")
    } else if has(&|text| text.starts_with("-- asleep")) {
        Some("it needs a machine that sleeps")
    } else if has(&|text| text.contains(" full") || text.contains(" lost:")) {
        Some("it needs a transport that takes nothing")
    } else if has(&|text| long(text)) {
        Some("it needs a clock that can be moved")
    } else {
        None
    }
}

/// Whether a line lets more time pass than a run should wait.
fn long(text: &str) -> bool {
    let time = text.strip_prefix("-- ").and_then(|time| crate::transcript::duration(time).ok());
    time.is_some_and(|time| time.as_secs() >= 9)
}

/// A line, where the server is judged.
fn server_line(text: &str) -> Option<String> {
    let (first, rest) = text.split_once(' ')?;
    match first {
        "S:" if rest.starts_with("$ack") => {
            let ack = rest.split(' ').find_map(|word| word.strip_prefix("ack="))?;
            Some(format!("-- acknowledged {ack}"))
        }
        "S:" => Some(format!("S: {}", expected(rest)?)),
        "C:" | "C" => Some(text.to_owned()),
        "--" if rest == "lost" => Some(text.to_owned()),
        _ => None,
    }
}

/// What is compared of a frame whose payload and place the transcript's own application gave.
fn expected(frame: &str) -> Option<String> {
    let mut short = Short::parse(frame).ok()?;
    short.words.retain(|word| !word.starts_with("ack=") && !word.starts_with("seq="));
    let is_credentials = short.first().starts_with("$auth#");
    if !short.first().starts_with('$') || is_credentials {
        short.json = None;
    }
    Some(short.to_string())
}

/// Blocks that the server's application of the contract does not tell.
fn server_skip(id: &str) -> Option<&'static str> {
    match id {
        "first-frame-not-hello.md/3" => {
            Some("a server that decides at once may have sent its welcome before it reads on")
        }
        "one-flight.md/4" => Some("the contract takes in who shows no token: see case 4.9"),
        "one-flight.md/5" => Some("a server that decides at once has taken the client in"),
        "one-flight.md/6" => Some("its tickets are made up, and a server may be quick"),
        "renewal-refused.md/2" => Some("its credentials are not those of the contract"),
        "resume-refused.md/5" | "resume-refused.md/6" => {
            Some("its tickets are made up: see the cases of section 6")
        }
        "upload-beyond-credit.md/2" => {
            Some("`import` of the contract reads at once, so there may be credit: see case 7.16")
        }
        "upload-beyond-credit.md/3" => Some("`import` of the contract answers at its end"),
        _ => None,
    }
}

/// A line, where the client is judged.
fn client_line(text: &str) -> Option<String> {
    let (first, rest) = text.split_once(' ')?;
    match first {
        "S:" => Some(text.to_owned()),
        "C:" if rest.starts_with("$ack") => {
            let ack = rest.split(' ').find_map(|word| word.strip_prefix("ack="))?;
            Some(format!("-- acknowledged {ack}"))
        }
        "C:" => Some(format!("C: {}", expected(rest)?)),
        "C" => match rest.split_once(' ')? {
            ("app>", command) if command.starts_with("connect") => Some("-- connect".to_owned()),
            ("app>", command) => order(command).map(|order| format!("T> {order}")),
            ("app<", event) => report(event).map(|report| format!("T< {report}")),
            _ => None,
        },
        "--" if rest.starts_with("lost") => Some("-- lost".to_owned()),
        _ => None,
    }
}

/// What the application of the transcript does, as an order.
fn order(command: &str) -> Option<Value> {
    let short = Short::parse(command).ok()?;
    let number = || short.number(1).ok();
    match short.first() {
        "call" => {
            let payload = short.json.clone().unwrap_or_else(|| json!({}));
            Some(
                json!({"do": "call", "n": number()?, "type": short.at(2).ok()?, "payload": payload}),
            )
        }
        "subscribe" => Some(json!({"do": "subscribe", "ch": short.at(1).ok()?})),
        "unsubscribe" => Some(json!({"do": "unsubscribe", "ch": short.at(1).ok()?})),
        _ => None,
    }
}

/// What the application of the transcript is told, as a report.
fn report(event: &str) -> Option<Value> {
    let short = Short::parse(event).ok()?;
    match short.first() {
        "answered" => {
            let n = short.number(1).ok()?;
            match short.at(2).ok()? {
                "lost" => Some(json!({"n": n, "failed": "lost", "outcome": short.at(3).ok()?})),
                _ => None,
            }
        }
        "delivered" => {
            let event = short.at(3).ok()?.split_once('.')?.1.to_owned();
            Some(json!({"ch": short.at(1).ok()?, "event": event, "payload": short.json}))
        }
        "gap" => Some(json!({"ch": short.at(1).ok()?, "gap": true})),
        "subscribed" => Some(json!({"ch": short.at(1).ok()?, "subscribed": true})),
        _ => None,
    }
}

/// Blocks that the client's application of the contract does not tell.
fn client_skip(id: &str) -> Option<&'static str> {
    match id {
        _ if id.starts_with("restart-snapshot.md") => {
            Some("rooms of the contract have no snapshot")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Who;

    #[test]
    fn every_page_with_a_scripted_side_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sessions");
        for entry in std::fs::read_dir(folder).expect("the transcripts") {
            let path = entry.expect("a readable folder").path();
            let text = std::fs::read_to_string(&path).expect("a readable page");
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            let is_scripted = blocks(name, &text)
                .iter()
                .any(|block| block.lines.iter().any(|line| line.text.starts_with("peer ")));
            let is_listed = PAGES.iter().any(|(listed, ..)| *listed == name);
            assert_eq!(is_scripted && name != "README.md", is_listed, "{name}");
        }
    }

    #[test]
    fn every_line_of_a_transcript_is_a_step() {
        for (cases, ours) in [(for_servers(), Who::C), (for_clients(), Who::S)] {
            assert!(cases.len() > 20, "{}", cases.len());
            for case in cases.iter().filter(|case| case.skip.is_none()) {
                for line in &case.steps {
                    assert!(line.step(ours).is_ok(), "{}: {}", case.id, line.text);
                }
            }
        }
    }
}
