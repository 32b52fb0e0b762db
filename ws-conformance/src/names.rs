//! Values that a case names: `"@ticket"` stands for what the subject said in its place before.

use crate::transcript::Short;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the names of a case stand for.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Value>);

impl Names {
    /// A frame to send, with each name replaced by its value.
    pub(crate) fn fill(&self, short: &mut Short) -> Result<(), String> {
        for word in &mut short.words {
            if let Some((field, name)) = word.split_once("=@") {
                *word = format!("{field}={}", plain(self.get(name)?));
            }
        }
        short.json.as_mut().map_or(Ok(()), |json| self.fill_value(json))
    }

    /// The same for a value.
    pub(crate) fn fill_value(&self, value: &mut Value) -> Result<(), String> {
        match value {
            Value::String(text) if text.starts_with('@') => {
                *value = self.get(&text[1..])?.clone();
                Ok(())
            }
            Value::Array(values) => values.iter_mut().try_for_each(|it| self.fill_value(it)),
            Value::Object(map) => map.values_mut().try_for_each(|it| self.fill_value(it)),
            _ => Ok(()),
        }
    }

    /// What is expected of a frame: a name that is known becomes its value, and a new one what came
    /// in its place.
    pub(crate) fn learn(&mut self, short: &mut Short, fields: &[(&str, Option<u64>)], got: &Value) {
        for word in &mut short.words {
            let Some((field, name)) = word.split_once("=@") else { continue };
            let came = fields.iter().find(|(other, _)| *other == field);
            if let Some(came) = came.and_then(|(_, came)| *came) {
                let known = self.0.entry(name.to_owned()).or_insert_with(|| came.into());
                *word = format!("{field}={}", plain(known));
            }
        }
        if let Some(json) = &mut short.json {
            self.learn_value(json, got);
        }
    }

    /// The same for a value.
    pub(crate) fn learn_value(&mut self, expected: &mut Value, got: &Value) {
        match expected {
            Value::String(text) if text.starts_with('@') => {
                let known = self.0.entry(text[1..].to_owned()).or_insert_with(|| got.clone());
                *expected = known.clone();
            }
            Value::Array(values) => {
                for (at, value) in values.iter_mut().enumerate() {
                    self.learn_value(value, &got[at]);
                }
            }
            Value::Object(map) => {
                for (name, value) in map {
                    self.learn_value(value, &got[name.as_str()]);
                }
            }
            _ => {}
        }
    }

    fn get(&self, name: &str) -> Result<&Value, String> {
        self.0.get(name).ok_or_else(|| format!("nothing is called `@{name}` yet"))
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_new_name_takes_what_came_and_a_known_one_is_compared() {
        let mut names = Names::default();
        let mut first = Short::parse(r#"room.said off=@o {"text":"@t"}"#).unwrap();
        names.learn(&mut first, &[("off", Some(7))], &json!({"text": "a"}));
        assert_eq!(first.to_string(), r#"room.said off=7 {"text":"a"}"#);
        let mut second = Short::parse(r#"room.said prev=@o {"text":"@t"}"#).unwrap();
        names.learn(&mut second, &[("prev", Some(8))], &json!({"text": "b"}));
        assert_eq!(second.to_string(), r#"room.said prev=7 {"text":"a"}"#);
    }

    #[test]
    fn a_frame_with_an_unknown_name_is_not_sent() {
        let mut short = Short::parse(r#"$sub {"since":"@where"}"#).unwrap();
        assert!(Names::default().fill(&mut short).unwrap_err().contains("@where"));
    }
}
