//! The short form: words, and a JSON value at the end.

use serde_json::Value;
use std::fmt;
use ws_proto::{Address, CloseCode, Fault, FaultCode, Position};

/// `join#1 ttl=500 {"room":"lobby"}`: words separated by spaces, then perhaps a JSON value.
#[derive(Clone, Debug, PartialEq)]
pub struct Short {
    /// The words.
    pub words: Vec<String>,
    /// The value; it starts at the first word that begins with `{`, `[` or `"`, or is `null`.
    pub json: Option<Value>,
}

impl Short {
    /// Reads the short form.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if rest.starts_with(['{', '[', '"']) || rest == "null" {
                let json =
                    serde_json::from_str(rest).map_err(|error| format!("no JSON: {error}"))?;
                return Ok(Self { words, json: Some(json) });
            }
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            words.push(word.to_owned());
            rest = after.trim_start();
        }
        Ok(Self { words, json: None })
    }

    /// Words made by the runner.
    #[must_use]
    pub fn of<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Self {
        Self { words: words.into_iter().map(Into::into).collect(), json: None }
    }

    /// The same with a value.
    #[must_use]
    pub fn json(mut self, json: Value) -> Self {
        self.json = Some(json);
        self
    }

    /// The same with one more word.
    #[must_use]
    pub fn word(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    /// The first word.
    #[must_use]
    pub fn first(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The word at a place that takes no `=`.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote the line.
    pub fn at(&self, place: usize) -> Result<&str, String> {
        let mut plain = self.words.iter().filter(|word| !word.contains('='));
        plain.nth(place).map(String::as_str).ok_or_else(|| format!("word {place} is missing"))
    }

    /// The number at a place.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote the line.
    pub fn number(&self, place: usize) -> Result<u64, String> {
        let word = self.at(place)?;
        word.parse().map_err(|_| format!("`{word}` is no number"))
    }

    /// The channel at a place.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote the line.
    pub fn address(&self, place: usize) -> Result<Address, String> {
        Address::parse(self.at(place)?).map_err(|error| error.to_string())
    }

    /// The close code at a place.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote the line.
    pub fn close_code(&self, place: usize) -> Result<CloseCode, String> {
        let code = u16::try_from(self.number(place)?).map_err(|error| error.to_string())?;
        Ok(CloseCode(code))
    }

    /// The value after `name=`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// The number after `name=`.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote the line.
    pub fn field_number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.field(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("`{name}={text}`: no number"))
    }

    /// The position after `name=`, written `epoch:off`.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote the line.
    pub fn field_position(&self, name: &str) -> Result<Option<Position>, String> {
        let Some(text) = self.field(name) else { return Ok(None) };
        let (epoch, off) = text.split_once(':').ok_or("a position is `epoch:off`")?;
        let off = off.parse().map_err(|_| format!("`{off}` is no number"))?;
        Ok(Some(Position { epoch: epoch.to_owned(), off }))
    }

    /// A fault with the code at a place.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote the line.
    pub fn fault(&self, place: usize) -> Result<Fault, String> {
        fault(self.at(place)?)
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))?;
        match &self.json {
            Some(json) => write!(f, " {json}"),
            None => Ok(()),
        }
    }
}

/// A fault by the word of its code.
///
/// # Errors
///
/// A sentence for whoever wrote the line.
pub fn fault(code: &str) -> Result<Fault, String> {
    let found = FaultCode::ALL.iter().find(|known| known.name() == code);
    let code = found.ok_or_else(|| format!("`{code}` is no code of a fault"))?;
    Ok(Fault::new(*code, "as told"))
}
