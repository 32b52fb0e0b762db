//! The numbers and words that travel, as data for other languages.

use super::{shape, sorted};
use crate::{
    code::{Advice, CLOSE_CODES, CloseCode, FaultCode, Retry},
    fault::Fault,
};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

/// Close codes with name, text and advice, the ranges behind the advice, the codes of faults, the
/// words of `retry` (`docs/protocol.md`, sections 7 and 10).
///
/// `close.ranges` is the rule for codes that are not listed; a code in no range stops.
#[must_use]
pub fn codes() -> Value {
    let close: Vec<_> = CLOSE_CODES
        .iter()
        .map(|spec| {
            let text = spec.text.split_whitespace().collect::<Vec<_>>().join(" ");
            json!({
                "code": spec.code, "name": spec.name, "text": text, "advice": spec.code.advice(),
            })
        })
        .collect();
    let standard: Vec<_> = (1000..=1014)
        .map(CloseCode)
        .filter(|code| !matches!(code.0, 1004 | 1014))
        .map(|code| json!({ "code": code, "advice": code.advice() }))
        .collect();
    let faults: Vec<_> = FaultCode::ALL
        .iter()
        .zip(words::<FaultCode>())
        .map(|(code, (_, text))| {
            json!({ "code": code, "text": text, "retry": Fault::new(*code, "").retry })
        })
        .collect();
    sorted(&json!({
        "close": { "ranges": ranges(), "standard": standard, "codes": close },
        "advice": listed::<Advice>("advice"),
        "faults": faults,
        "retry": listed::<Retry>("retry"),
    }))
}

/// What a client does after a code of the application's part of the number space, by hundreds.
pub(super) fn ranges() -> Vec<Value> {
    (4000..5000)
        .step_by(100)
        .map(|from| json!({ "from": from, "to": from + 99, "advice": CloseCode(from).advice() }))
        .collect()
}

fn listed<T: JsonSchema>(key: &str) -> Vec<Value> {
    words::<T>().into_iter().map(|(word, text)| json!({ key: word, "text": text })).collect()
}

/// The words of an enum and their documentation, in the order of declaration.
fn words<T: JsonSchema>() -> Vec<(String, String)> {
    let mut schema = T::json_schema(&mut SchemaGenerator::default());
    shape::normalise(&mut schema);
    let text = |word: &str| {
        let texts = schema.get(shape::DESCRIPTIONS);
        texts.and_then(|texts| texts.get(word)).and_then(Value::as_str).unwrap_or_default()
    };
    let words = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    words.filter_map(Value::as_str).map(|word| (word.to_owned(), text(word).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_the_same_over_a_whole_range() {
        for first in (4000..5000).step_by(100) {
            for code in first..first + 100 {
                assert_eq!(CloseCode(code).advice(), CloseCode(first).advice(), "{code}");
            }
        }
    }

    #[test]
    fn faults_stand_in_the_order_of_their_documentation() {
        let names: Vec<_> = FaultCode::ALL.iter().map(|code| code.name().to_owned()).collect();
        let words: Vec<_> = words::<FaultCode>().into_iter().map(|(word, _)| word).collect();
        assert_eq!(words, names);
    }

    #[test]
    fn every_word_and_code_says_what_it_means() {
        let codes = codes();
        for list in [&codes["close"]["codes"], &codes["advice"], &codes["faults"], &codes["retry"]]
        {
            let list = list.as_array().unwrap();
            assert!(!list.is_empty());
            assert!(list.iter().all(|entry| !entry["text"].as_str().unwrap().is_empty()));
        }
    }
}
