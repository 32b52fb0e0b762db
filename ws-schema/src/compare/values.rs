//! Single values: words, numbers, texts, and the sentences about them.

use super::{
    Comparison,
    types::{Said, Walk},
};
use crate::{
    report::Sender,
    rule::{Flow, Level, Rule},
    shape::{self, Kind, Shape},
};
use serde_json::Value;

/// Keywords that the comparison understands; another one that differs is not compared.
const KEYWORDS: [&str; 29] = [
    "$ref",
    "$defs",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "type",
    "const",
    "enum",
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "items",
    "prefixItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "pattern",
    "format",
];

const LOWER: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
const UPPER: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/// Keywords whose values cannot be ordered.
const PLAIN: [&str; 4] = ["pattern", "format", "multipleOf", "uniqueItems"];
/// Keywords that change how a value travels, in one of the formats at least.
const ENCODINGS: [&str; 2] = ["contentEncoding", "contentMediaType"];

impl Walk<'_, '_> {
    /// Two values that are no objects.
    pub(super) fn values(&mut self, path: &str, old: &Shape, new: &Shape) {
        match (&old.kind, &new.kind) {
            (Kind::Any, Kind::Any)
            | (Kind::Never, Kind::Never)
            | (Kind::Null, Kind::Null)
            | (Kind::Bool, Kind::Bool) => {}
            (Kind::Integer, Kind::Integer)
            | (Kind::Number, Kind::Number)
            | (Kind::Text, Kind::Text) => self.constraints(path, old, new),
            (Kind::Integer, Kind::Number) => {
                let breaks = format!(
                    "`{path}` was an integer and may have a fraction. {}",
                    self.verdict(Rule::IntegerToNumber)
                );
                let remedy = "Make it a new field.";
                self.find(Rule::IntegerToNumber, path, Said { level: None, breaks, remedy });
            }
            (Kind::Number, Kind::Integer) => {
                let breaks = format!(
                    "`{path}` might have a fraction and is an integer. {}",
                    self.verdict(Rule::NumberNarrowed)
                );
                let remedy = "Make it a new field.";
                self.find(Rule::NumberNarrowed, path, Said { level: None, breaks, remedy });
            }
            (was, is) => self.other_type(path, was, is),
        }
    }

    fn other_type(&mut self, path: &str, was: &Kind, is: &Kind) {
        // The reader takes everything that the writer may write.
        let (writer, reader) = match self.flow {
            Flow::OldToNew => (was, is),
            Flow::NewToOld => (is, was),
        };
        let texts = |words: &[Value]| words.iter().all(Value::is_string);
        let fits = matches!(reader, Kind::Any)
            || matches!(writer, Kind::Never)
            || matches!((writer, reader), (Kind::Words(words), Kind::Text) if texts(words));
        if fits {
            let breaks = format!("`{path}` was {} and is {}.", was.name(), is.name());
            let level = Some(Level::Source);
            return self.find(Rule::TypeChanged, path, Said { level, breaks, remedy: "" });
        }
        self.type_changed(path, was.name(), is.name());
    }

    pub(super) fn type_changed(&mut self, path: &str, was: &str, is: &str) {
        let said = Said {
            level: None,
            breaks: format!("`{path}` was {was} and is {is}. {}", self.reader_fails()),
            remedy: "Make it a new field with a name of its own, and keep the old one.",
        };
        self.find(Rule::TypeChanged, path, said);
    }

    pub(super) fn words(
        &mut self,
        path: &str,
        (old, was): (&Shape, &[Value]),
        (new, is): (&Shape, &[Value]),
    ) {
        let place = |word: &Value| match word {
            Value::String(word) => format!("{path}.{word}"),
            other => format!("{path}.{other}"),
        };
        for word in was.iter().filter(|word| !is.contains(word)) {
            self.lost(Rule::EnumValueRemoved, &place(word), new.is_open());
        }
        for word in is.iter().filter(|word| !was.contains(word)) {
            self.gained(Rule::EnumValueAdded, &place(word), old.is_open());
        }
    }

    /// A word or a variant that the old contract does not have.
    pub(super) fn gained(&mut self, rule: Rule, path: &str, open: bool) {
        let open = open && self.flow == Flow::NewToOld;
        let breaks = format!("`{path}` is new. {}", self.verdict(rule));
        let remedy = "Send it only where the negotiated version has it, or mark the enum open \
                      (`x-open`) one version before, with a variant that takes unknown words.";
        self.find(rule, path, Said { level: open.then_some(Level::Risk), breaks, remedy });
    }

    /// A word or a variant that the new contract does not have.
    pub(super) fn lost(&mut self, rule: Rule, path: &str, open: bool) {
        let open = open && self.flow == Flow::OldToNew;
        let breaks = format!("`{path}` is gone. {}", self.verdict(rule));
        let remedy = "Keep it until no peer sends it.";
        self.find(rule, path, Said { level: open.then_some(Level::Risk), breaks, remedy });
    }

    /// Bounds, patterns and formats.
    pub(super) fn constraints(&mut self, path: &str, old: &Shape, new: &Shape) {
        let number = matches!(old.kind, Kind::Integer | Kind::Number);
        let (narrower, wider) = if number {
            (Rule::NumberNarrowed, Rule::NumberWidened)
        } else {
            (Rule::ConstraintTightened, Rule::ConstraintLoosened)
        };
        for (keys, sign) in [(LOWER, 1.0), (UPPER, -1.0)] {
            for key in keys {
                let bound = |shape: &Shape| {
                    let bound = shape.keywords.get(key).and_then(Value::as_f64);
                    bound.map_or(f64::NEG_INFINITY, |bound| bound * sign)
                };
                let (was, is) = (bound(old), bound(new));
                let rule = if is > was { narrower } else { wider };
                if is.total_cmp(&was).is_ne() {
                    self.constraint(rule, path, key, old, new);
                }
            }
        }
        for key in PLAIN {
            let (was, is) = (old.keywords.get(key), new.keywords.get(key));
            // A UUID is 16 bytes in MessagePack and text elsewhere.
            let travels = key == "format" && [was, is].contains(&Some(&Value::from("uuid")));
            if was == is {
                continue;
            }
            if travels {
                self.type_changed(path, &show(was), &show(is));
                continue;
            }
            if is.is_some() {
                self.constraint(Rule::ConstraintTightened, path, key, old, new);
            }
            if was.is_some() {
                self.constraint(Rule::ConstraintLoosened, path, key, old, new);
            }
        }
        for key in ENCODINGS {
            let (was, is) = (old.keywords.get(key), new.keywords.get(key));
            if was != is {
                self.type_changed(path, &show(was), &show(is));
            }
        }
    }

    pub(super) fn constraint(
        &mut self,
        rule: Rule,
        path: &str,
        key: &str,
        old: &Shape,
        new: &Shape,
    ) {
        let (was, is) = (show(old.keywords.get(key)), show(new.keywords.get(key)));
        let breaks = format!("`{key}` of `{path}` was {was} and is {is}. {}", self.verdict(rule));
        let remedy = "Make it a new field, or let readers take both until old peers are gone.";
        self.find(rule, path, Said { level: None, breaks, remedy });
    }

    /// Keywords that nobody here knows say something all the same.
    pub(super) fn unknown_keywords(&mut self, path: &str, old: &Shape, new: &Shape) {
        let known = |key: &str| {
            key.starts_with("x-")
                || KEYWORDS.contains(&key)
                || ENCODINGS.contains(&key)
                || shape::ANNOTATIONS.contains(&key)
        };
        let keys = old.keywords.keys().chain(new.keywords.keys()).filter(|key| !known(key));
        for key in keys {
            if old.keywords.get(key) != new.keywords.get(key) {
                self.unclear(path, &format!("its `{key}` differs, and nothing is known about it"));
            }
        }
    }

    /// What a change of this rule means for those who read.
    pub(super) fn verdict(&self, rule: Rule) -> String {
        match rule.level(self.flow) {
            Some(Level::Wire) => self.reader_fails(),
            Some(Level::Risk) => {
                format!("{} may not expect what {} send.", cap(&self.readers()), self.writers())
            }
            _ => format!("{} read it all the same.", cap(&self.readers())),
        }
    }

    pub(super) fn reader_fails(&self) -> String {
        format!("{} cannot read what {} send.", cap(&self.readers()), self.writers())
    }

    pub(super) fn expects(&self) -> String {
        format!("{} expect of {} a", cap(&self.readers()), self.writers())
    }

    pub(super) fn lacks(&self) -> String {
        match self.flow {
            Flow::OldToNew => format!("{} do not send", cap(&self.writers())),
            Flow::NewToOld => format!("{} do not know", cap(&self.readers())),
        }
    }

    pub(super) fn writers(&self) -> String {
        Comparison::peers(self.sender(), self.flow == Flow::OldToNew)
    }

    pub(super) fn readers(&self) -> String {
        Comparison::peers(self.sender().other(), self.flow == Flow::NewToOld)
    }
}

impl Comparison<'_> {
    /// `old clients`, `new servers`.
    fn peers(side: Sender, old: bool) -> String {
        format!("{} {}s", if old { "old" } else { "new" }, side.name())
    }

    /// Whether the delivery of a channel is another one, which changes the header of its events.
    pub(super) fn delivery_changed(&self, channel: &str) -> bool {
        let path = format!("channels.{channel}");
        self.found.contains_key(&(Rule::DeliveryChanged, path, Sender::Client))
    }
}

fn show(value: Option<&Value>) -> String {
    value.map_or_else(|| "free".to_owned(), |value| format!("`{value}`"))
}

fn cap(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
