//! What is sent, with its numbers, and how durations and rates are written.

use crate::documents::{self, Failure};
use serde_json::Value;
use std::{path::Path, time::Duration};
use ws_proto::{Format, Raw};

/// A payload that may hold `{c}` and `{n}`.
#[derive(Clone, Debug)]
pub(super) struct Template(String);

/// A payload of one connection.
#[derive(Debug)]
pub(super) enum Payload {
    /// Always the same.
    Fixed(Raw),
    /// With the number of the request.
    Numbered(String, Format),
}

impl Template {
    /// JSON, or `@FILE`.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        Ok(Self(match text.strip_prefix('@') {
            Some(path) => documents::text(Path::new(path))?,
            None => text.to_owned(),
        }))
    }

    /// The payload with the first numbers.
    pub(super) fn example(&self) -> Result<Value, Failure> {
        parsed(&numbered(&of_connection(&self.0, 0), 0))
    }

    pub(super) fn of_connection(&self, c: u32, format: Format) -> Result<Payload, Failure> {
        let text = of_connection(&self.0, c);
        if text.contains(NUMBER) {
            return Ok(Payload::Numbered(text, format));
        }
        encoded(format, &text).map(Payload::Fixed)
    }
}

impl Payload {
    /// The payload of the request with this number.
    pub(super) fn of_request(&self, n: u64) -> Result<Raw, Failure> {
        match self {
            Self::Fixed(raw) => Ok(raw.clone()),
            Self::Numbered(text, format) => encoded(*format, &numbered(text, n)),
        }
    }
}

const NUMBER: &str = "{n}";

/// A text with the number of a connection.
pub(super) fn of_connection(text: &str, c: u32) -> String {
    text.replace("{c}", &c.to_string())
}

fn numbered(text: &str, n: u64) -> String {
    text.replace(NUMBER, &n.to_string())
}

fn parsed(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Json("the payload".to_owned(), error))
}

fn encoded(format: Format, text: &str) -> Result<Raw, Failure> {
    Raw::encode(format, &parsed(text)?).map_err(|error| Failure::Live(error.to_string()))
}

/// `500ms`, `10s`, `2m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let found = units.iter().find_map(|(unit, seconds)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Duration::try_from_secs_f64(number * seconds).ok().filter(|it| !it.is_zero())
    });
    found.ok_or_else(|| "write it like `500ms`, `10s` or `2m`".to_owned())
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok();
    rate.filter(|rate| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| "a rate is a number above zero".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_stand_for_the_connection_and_the_request() {
        let template = Template::read(r#"{"room": "r{c}", "n": {n}}"#).unwrap();
        assert_eq!(template.example().unwrap(), json!({ "room": "r0", "n": 0 }));
        for format in [Format::Json, Format::MessagePack] {
            let payload = template.of_connection(7, format).unwrap();
            let sent: Value = payload.of_request(41).unwrap().decode().unwrap();
            assert_eq!(sent, json!({ "room": "r7", "n": 41 }));
        }
    }

    #[test]
    fn durations_have_a_unit_and_are_not_nothing() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["10", "s", "-1s", "0s", "ten s", "1e300s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(rate("0").is_err() && rate("inf").is_err() && rate("0.5").is_ok());
    }
}
