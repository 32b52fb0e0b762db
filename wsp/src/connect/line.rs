//! One line that somebody typed: what is wished, or what is wrong with it and where.

use crate::{ask::position, contract, contract::Contract};
use serde_json::Value;
use std::fmt;
use ws_proto::{Address, Position};

/// The words that a line may begin with, how it goes on, and what it does.
pub(crate) const WORDS: [(&str, &str, &str); 9] = [
    ("call", "TYPE [JSON]", "ask a request; the payload is `{}` where none is given"),
    ("cancel", "N", "no longer wait for the answer of call N"),
    ("sub", "CHANNEL [EPOCH:OFF]", "listen to a channel, after a position"),
    ("unsub", "CHANNEL", "stop listening"),
    ("publish", "CHANNEL TYPE [JSON]", "publish an event to a channel"),
    ("wait", "N", "go on after N events that no `wait` before has counted"),
    ("contract", "[NAME]", "the requests and channels; with a name, what it takes"),
    ("help", "", "this list"),
    ("quit", "", "end now; the end of the input waits for the answers"),
];

/// What a line wishes.
#[derive(Debug, PartialEq)]
pub(crate) enum Wish {
    Nothing,
    Call(String, Value),
    Cancel(u64),
    Subscribe(Address, Option<Position>),
    Unsubscribe(Address),
    Publish(Address, String, Value),
    Wait(u64),
    Contract(Option<String>),
    Help,
    Quit,
}

/// What is wrong with a line, and at which of its characters, counted from 1.
#[derive(Debug, PartialEq)]
pub(crate) struct Wrong {
    pub(crate) column: usize,
    pub(crate) what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.what)
    }
}

/// Reads a line, and checks it against the contract, where there is one.
pub(crate) fn read(line: &str, known: Option<&Contract>) -> Result<Wish, Wrong> {
    let mut rest = Rest { line, at: 0 };
    let Some(word) = rest.word() else { return Ok(Wish::Nothing) };
    let wish = match word.text {
        text if text.starts_with('#') => return Ok(Wish::Nothing),
        "call" => call(&mut rest, known)?,
        "cancel" => Wish::Cancel(rest.number()?),
        "sub" => {
            let address = channel(&mut rest, known)?;
            let since = rest.word().map(|word| {
                position(word.text).map_err(|failure| rest.wrong(word.at, failure.to_string()))
            });
            Wish::Subscribe(address, since.transpose()?)
        }
        "unsub" => Wish::Unsubscribe(channel(&mut rest, None)?),
        "publish" => publish(&mut rest, known)?,
        "wait" => Wish::Wait(rest.number()?),
        "contract" => Wish::Contract(rest.word().map(|word| word.text.to_owned())),
        "help" => Wish::Help,
        "quit" | "exit" => Wish::Quit,
        other => {
            let words = WORDS.iter().map(|(word, ..)| (*word).to_owned());
            return Err(rest.wrong(word.at, contract::unknown("command", other, words)));
        }
    };
    rest.end()?;
    Ok(wish)
}

fn call(rest: &mut Rest<'_>, known: Option<&Contract>) -> Result<Wish, Wrong> {
    let kind = rest.wanted("the type of a request")?;
    let request = known.map(|known| known.request(kind.text)).transpose();
    let request = request.map_err(|what| rest.wrong(kind.at, what))?;
    if request.is_some_and(|request| request.get("upload").is_some()) {
        let what = format!("`{}` takes an upload, which this command does not send", kind.text);
        return Err(rest.wrong(kind.at, what));
    }
    let (at, payload) = rest.payload(request)?;
    if let (Some(known), Some(request)) = (known, request) {
        known.check(request, &payload).map_err(|what| rest.wrong(at, what))?;
    }
    Ok(Wish::Call(kind.text.to_owned(), payload))
}

fn publish(rest: &mut Rest<'_>, known: Option<&Contract>) -> Result<Wish, Wrong> {
    let at = rest.next_at();
    let address = channel(rest, known)?;
    let event = rest.wanted("the type of an event")?;
    // `keys` on `typing/den` is `typing.keys`.
    let kind = if event.text.contains('.') {
        event.text.to_owned()
    } else {
        format!("{}.{}", address.kind(), event.text)
    };
    let facts = known.map(|known| {
        let is_open = known.published(&address, &kind);
        let place = if is_published(known, &address) { event.at } else { at };
        is_open.map_err(|what| rest.wrong(place, what))
    });
    let facts = facts.transpose()?;
    let (at, payload) = rest.payload(facts)?;
    if let (Some(known), Some(facts)) = (known, facts) {
        known.check(facts, &payload).map_err(|what| rest.wrong(at, what))?;
    }
    Ok(Wish::Publish(address, kind, payload))
}

fn is_published(known: &Contract, address: &Address) -> bool {
    let channel = known.channel(address);
    channel.is_ok_and(|(_, facts)| facts.get("publish").is_some_and(|by| by == "client"))
}

fn channel(rest: &mut Rest<'_>, known: Option<&Contract>) -> Result<Address, Wrong> {
    let word = rest.wanted("the address of a channel")?;
    let address = Address::parse(word.text);
    let address = address.map_err(|error| rest.wrong(word.at, error.to_string()))?;
    if let Some(known) = known {
        known.channel(&address).map_err(|what| rest.wrong(word.at, what))?;
    }
    Ok(address)
}

/// What of a line is still to be read.
struct Rest<'a> {
    line: &'a str,
    /// In bytes.
    at: usize,
}

struct Word<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    /// Where the next word begins.
    fn next_at(&self) -> usize {
        let rest = &self.line[self.at..];
        self.at + (rest.len() - rest.trim_start().len())
    }

    fn word(&mut self) -> Option<Word<'a>> {
        let at = self.next_at();
        let text = self.line[at..].split_whitespace().next()?;
        self.at = at + text.len();
        Some(Word { text, at })
    }

    fn wanted(&mut self, what: &str) -> Result<Word<'a>, Wrong> {
        let end = self.line.trim_end().len();
        self.word().ok_or_else(|| self.wrong(end, format!("{what} is missing")))
    }

    fn number(&mut self) -> Result<u64, Wrong> {
        let word = self.wanted("a number")?;
        let number = word.text.parse();
        number.map_err(|_| self.wrong(word.at, format!("`{}` is no number", word.text)))
    }

    /// The JSON up to the end of the line; an empty payload where there is none.
    fn payload(&mut self, facts: Option<&Value>) -> Result<(usize, Value), Wrong> {
        let at = self.next_at();
        let text = self.line[at..].trim_end();
        self.at = self.line.len();
        if text.is_empty() {
            return Ok((at, Contract::empty(facts)));
        }
        let value = serde_json::from_str(text).map_err(|error| {
            let place = at + error.column().saturating_sub(1);
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            self.wrong(place, format!("this is no JSON: {said}"))
        })?;
        Ok((at, value))
    }

    fn end(&mut self) -> Result<(), Wrong> {
        match self.word() {
            Some(word) => Err(self.wrong(word.at, format!("`{}` is one word too many", word.text))),
            None => Ok(()),
        }
    }

    fn wrong(&self, at: usize, what: String) -> Wrong {
        let before = self.line.char_indices().take_while(|(index, _)| *index < at).count();
        Wrong { column: before + 1, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chat() -> Contract {
        let text = include_str!("../../../schema/chat.json");
        Contract::new(serde_json::from_str(text).unwrap())
    }

    fn wrong(line: &str) -> Wrong {
        read(line, Some(&chat())).unwrap_err()
    }

    fn address(text: &str) -> Address {
        Address::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn lines_say_what_is_wished() {
        let chat = chat();
        let read = |line: &str| read(line, Some(&chat)).unwrap();
        let join = Wish::Call("join".to_owned(), json!({ "room": "a b" }));
        assert_eq!(read(r#"  call join {"room": "a b"}  "#), join);
        assert_eq!(read("call list_rooms"), Wish::Call("list_rooms".to_owned(), json!({})));
        let since = Position { epoch: "5f-1".to_owned(), off: 17 };
        assert_eq!(read("sub lobby 5f-1:17"), Wish::Subscribe(address("lobby"), Some(since)));
        let keys = Wish::Publish(address("typing/den"), "typing.keys".to_owned(), json!({}));
        let check = |line: &str| super::read(line, None).unwrap();
        assert_eq!(check("publish typing/den keys"), keys);
        assert_eq!(check("publish typing/den typing.keys"), keys);
        assert_eq!(read(""), Wish::Nothing);
        assert_eq!(read("# call"), Wish::Nothing);
        assert_eq!(read("wait 3"), Wish::Wait(3));
        assert_eq!(read("contract join"), Wish::Contract(Some("join".to_owned())));
    }

    #[test]
    fn what_is_wrong_is_said_at_its_character() {
        let cases = [
            ("cal join", 1, "did you mean `call`?"),
            ("call", 5, "the type of a request is missing"),
            ("call jion {}", 6, "did you mean `join`?"),
            (r#"call join {"room": }"#, 20, "this is no JSON: expected value"),
            (r#"call join {"room": "é" x}"#, 24, "this is no JSON: expected `,` or `}`"),
            (r#"call join {"room": 7}"#, 11, "/room: 7 is not of type"),
            ("call join", 10, "\"room\" is a required property"),
            ("sub rooms/den", 5, "did you mean `room/{name}`?"),
            ("sub room", 5, "the addresses of this channel are `room/{name}`"),
            ("sub room/a%", 5, "not the canonical spelling"),
            ("sub lobby 17", 11, "no position"),
            ("unsub lobby lobby", 13, "one word too many"),
            ("wait long", 6, "`long` is no number"),
            ("publish lobby members", 9, "clients do not publish to `lobby`"),
            ("publish typing/den key", 20, "did you mean `typing.keys`?"),
        ];
        for (line, column, what) in cases {
            let wrong = wrong(line);
            assert_eq!(wrong.column, column, "{line}: {wrong}");
            assert!(wrong.what.contains(what), "{line}: {wrong}");
        }
    }

    #[test]
    fn without_a_contract_any_name_is_taken() {
        assert!(read("call dance 7", None).is_ok());
        assert!(read("sub attic/1", None).is_ok());
        assert!(read("publish attic/1 x.y", None).is_ok());
    }
}
