//! The types behind the messages, from the writer's side to the reader's.

use super::Comparison;
use crate::{
    contract::target,
    export::references,
    report::{Finding, Sender},
    rule::{Flow, Level, Rule},
    shape::{self, Kind, Shape},
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A message of which everything is compared, with one side writing and the other reading.
pub(super) struct Walk<'c, 'a> {
    pub(super) comparison: &'c mut Comparison<'a>,
    sender: Sender,
    message: &'c str,
    pub(super) flow: Flow,
    /// The pairs of schemas that were compared, so that a recursive type has an end.
    seen: BTreeSet<(String, String)>,
}

/// What goes with a finding beside its rule and its place.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Instead of the rule's own level.
    pub(super) level: Option<Level>,
    pub(super) breaks: String,
    pub(super) remedy: &'static str,
}

impl<'c, 'a> Walk<'c, 'a> {
    pub(super) fn new(
        comparison: &'c mut Comparison<'a>,
        sender: Sender,
        message: &'c str,
        flow: Flow,
    ) -> Self {
        Self { comparison, sender, message, flow, seen: BTreeSet::new() }
    }

    /// Header and payload.
    pub(super) fn message(&mut self, old: &Value, new: &Value) {
        self.header(old, new);
        let nothing = Value::Bool(true);
        let payload = |schema: &Value| {
            schema.pointer("/properties/payload").cloned().unwrap_or_else(|| nothing.clone())
        };
        self.compare(self.message, &payload(old), &payload(new));
    }

    /// Unknown header fields are ignored, so only what must be there and what changed counts.
    fn header(&mut self, old: &Value, new: &Value) {
        let required = |schema: &Value| -> BTreeSet<String> {
            let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            names.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let fields = |schema: &Value| {
            schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let (was, is) = (fields(old), fields(new));
        let differs = |name: &&String| {
            *name != "payload" && is.get(*name).is_some_and(|now| was.get(*name) != Some(now))
        };
        let mut names: BTreeSet<String> =
            required(old).symmetric_difference(&required(new)).cloned().collect();
        names.extend(was.keys().filter(differs).cloned());
        let channel = self.message.split('.').next().unwrap_or_default();
        if names.is_empty() || self.comparison.delivery_changed(channel) {
            return;
        }
        let names = names.into_iter().collect::<Vec<_>>().join("`, `");
        let said = Said {
            breaks: format!("{} header with another `{names}`.", self.expects()),
            remedy: "The kind of the message or of its channel has changed: make it a new one.",
            ..Said::default()
        };
        self.find(Rule::EnvelopeChanged, self.message, said);
    }

    /// Two schemas at one place.
    pub(super) fn compare(&mut self, path: &str, old: &Value, new: &Value) {
        let shapes =
            (shape::of(self.comparison.old.defs, old), shape::of(self.comparison.new.defs, new));
        let pair = (bare(old).to_string(), bare(new).to_string());
        let (old, new) = match shapes {
            (Ok(old), Ok(new)) => (old, new),
            (Err(problem), _) | (_, Err(problem)) => return self.unclear(path, &problem),
        };
        // Whether `null` may stand here is said here, and not where the type is defined.
        self.nulls(path, &old, &new);
        if old.name.is_some() && new.name.is_some() && !self.seen.insert(pair) {
            return;
        }
        let path = new.name.as_deref().or(old.name.as_deref()).unwrap_or(path);
        self.renamed(path, &old, &new);
        self.unknown_keywords(path, &old, &new);
        self.kinds(path, &old, &new);
    }

    fn renamed(&mut self, path: &str, old: &Shape, new: &Shape) {
        let (Some(was), Some(is)) = (&old.name, &new.name) else { return };
        // `TInput` is `T` where the two sides of a type differ: no name that anybody chose.
        let plain = |name: &str| name.strip_suffix("Input").unwrap_or(name).to_owned();
        let alike = std::mem::discriminant(&old.kind) == std::mem::discriminant(&new.kind);
        if plain(was) != plain(is) && alike && !self.comparison.new.defs.contains_key(was) {
            let breaks = format!("`{was}` is called `{is}` now, which only its users in code see.");
            self.find(Rule::TypeRenamed, path, Said { breaks, ..Said::default() });
        }
    }

    fn nulls(&mut self, path: &str, old: &Shape, new: &Shape) {
        let free = |shape: &Shape| matches!(shape.kind, Kind::Any | Kind::Null | Kind::Opaque);
        if old.nullable == new.nullable || free(old) || free(new) {
            return;
        }
        let (rule, may) = if new.nullable {
            (Rule::NullAllowed, "may be `null`")
        } else {
            (Rule::NullForbidden, "may no longer be `null`")
        };
        let said = Said {
            breaks: format!("`{path}` {may}. {}", self.verdict(rule)),
            remedy: "Leave the field out where there is nothing to say \
                     (`skip_serializing_if = \"Option::is_none\"`), or make it a new field.",
            ..Said::default()
        };
        self.find(rule, path, said);
    }

    fn kinds(&mut self, path: &str, old: &Shape, new: &Shape) {
        match (&old.kind, &new.kind) {
            (Kind::Opaque, _) | (_, Kind::Opaque) => self.opaque(path, old, new),
            (Kind::Object(was), Kind::Object(is)) => self.objects(path, (old, was), (new, is)),
            (Kind::List(was), Kind::List(is)) => {
                if old.fixed_length() == new.fixed_length() {
                    self.constraints(path, old, new);
                } else {
                    self.type_changed(path, "a list of one length", "a list of another one");
                }
                self.compare(&format!("{path}[]"), was, is);
            }
            (Kind::Tuple(was), Kind::Tuple(is)) if was.len() == is.len() => {
                for (at, (was, is)) in was.iter().zip(is).enumerate() {
                    self.compare(&format!("{path}.{at}"), was, is);
                }
            }
            (Kind::Words(was), Kind::Words(is)) => self.words(path, (old, was), (new, is)),
            (Kind::Choice(was), Kind::Choice(is)) => self.choices(path, (old, was), (new, is)),
            // An enum whose variants carry nothing is a list of words.
            (Kind::Words(words), Kind::Choice(is)) => {
                self.choices(path, (old, &constants(words)), (new, is));
            }
            (Kind::Choice(was), Kind::Words(words)) => {
                self.choices(path, (old, was), (new, &constants(words)));
            }
            // A choice of one variant looks like that variant.
            (Kind::Object(_), Kind::Choice(is)) if variant(old, new.tag()).is_some() => {
                let only = [Value::Object(old.keywords.clone())];
                self.choices(path, (old, &only), (new, is));
            }
            (Kind::Choice(was), Kind::Object(_)) if variant(new, old.tag()).is_some() => {
                let only = [Value::Object(new.keywords.clone())];
                self.choices(path, (old, was), (new, &only));
            }
            (Kind::Null, Kind::Object(_)) => self.unit_to_payload(path),
            _ => self.values(path, old, new),
        }
    }

    fn unit_to_payload(&mut self, path: &str) {
        let said = Said {
            breaks: format!("`{path}` was `null` and is an object. {}", self.reader_fails()),
            remedy: "Answer with a struct without fields from the start (it travels as `{}`), or \
                     make it a new request.",
            ..Said::default()
        };
        self.find(Rule::UnitToPayload, path, said);
    }

    fn objects(
        &mut self,
        path: &str,
        (old, was): (&Shape, &Map<String, Value>),
        (new, is): (&Shape, &Map<String, Value>),
    ) {
        self.constraints(path, old, new);
        if old.is_closed() != new.is_closed() {
            let tighter = new.is_closed();
            let rule = if tighter { Rule::ConstraintTightened } else { Rule::ConstraintLoosened };
            self.constraint(rule, path, "additionalProperties", old, new);
        }
        let renamed = self.renamed_field(path, (old, was), (new, is));
        let known = |name: &str| renamed.as_ref().is_some_and(|(a, b)| name == a || name == b);
        for (name, schema) in was {
            let place = format!("{path}.{name}");
            match is.get(name) {
                Some(now) => {
                    self.presence(&place, old.requires(name), new.requires(name));
                    self.compare(&place, schema, now);
                    self.defaults(&place, schema, now);
                }
                None if !known(name) => self.removed(&place, old.requires(name), new.is_closed()),
                None => {}
            }
        }
        for name in is.keys().filter(|name| !was.contains_key(*name) && !known(name)) {
            self.added(&format!("{path}.{name}"), new.requires(name), old.is_closed());
        }
        let rest = |shape: &Shape, key: &str| match shape.keywords.get(key) {
            Some(rest @ Value::Object(_)) => Some(rest.clone()),
            _ => None,
        };
        let others = (rest(old, "additionalProperties"), rest(new, "additionalProperties"));
        match others {
            (Some(was), Some(is)) => self.compare(&format!("{path}.*"), &was, &is),
            (None, None) => {}
            _ => self.type_changed(path, "a map", "an object with fields of its own"),
        }
        if old.keywords.get("patternProperties") != new.keywords.get("patternProperties") {
            self.unclear(path, "its fields are told apart by patterns, which differ");
        }
    }

    /// One field that went and one of the same shape that came.
    fn renamed_field(
        &mut self,
        path: &str,
        (old, was): (&Shape, &Map<String, Value>),
        (new, is): (&Shape, &Map<String, Value>),
    ) -> Option<(String, String)> {
        let mut went = was.iter().filter(|(name, _)| !is.contains_key(*name));
        let mut came = is.iter().filter(|(name, _)| !was.contains_key(*name));
        let (Some((before, a)), None) = (went.next(), went.next()) else { return None };
        let (Some((now, b)), None) = (came.next(), came.next()) else { return None };
        let same = bare(a) == bare(b) && old.requires(before) == new.requires(now);
        if !same {
            return None;
        }
        let reads_alias = self.flow == Flow::OldToNew
            && b.get("x-aliases")
                .and_then(Value::as_array)
                .is_some_and(|names| names.iter().any(|name| name == before));
        let breaks = if reads_alias {
            format!("`{before}` is called `{now}` now and is still read under its old name.")
        } else {
            format!(
                "`{before}` is gone and `{now}`, of the same shape, is new. {} `{now}`, and \
                 nothing is read from `{before}`.",
                self.lacks()
            )
        };
        let said = Said {
            level: reads_alias.then_some(Level::Source),
            breaks,
            remedy: "Keep the name on the wire with `#[serde(rename = \"..\")]`.",
        };
        self.find(Rule::FieldRenamed, &format!("{path}.{before}"), said);
        Some((before.clone(), now.clone()))
    }

    fn removed(&mut self, path: &str, required: bool, closed: bool) {
        let (level, breaks) = match self.flow {
            Flow::OldToNew if closed => {
                (Level::Wire, format!("`{path}` is gone, and {} refuse it.", self.readers()))
            }
            Flow::OldToNew => (
                Level::Risk,
                format!(
                    "`{path}` is gone: {} still send it, and it is dropped without an error.",
                    self.writers()
                ),
            ),
            Flow::NewToOld if required => {
                (Level::Wire, format!("`{path}` is gone. {}", self.reader_fails()))
            }
            Flow::NewToOld => (
                Level::Risk,
                format!("`{path}` is gone: {} find it absent from now on.", self.readers()),
            ),
        };
        let remedy = "Keep the field until no peer needs it, or make it a new message.";
        self.find(Rule::FieldRemoved, path, Said { level: Some(level), breaks, remedy });
    }

    fn added(&mut self, path: &str, required: bool, closed: bool) {
        let rule = if required { Rule::FieldAddedRequired } else { Rule::FieldAddedOptional };
        if self.flow == Flow::NewToOld && closed {
            let breaks =
                format!("`{path}` is new, and {} refuse fields beside theirs.", self.readers());
            let remedy = "Make it a new message, and do not close the next one.";
            return self.find(rule, path, Said { level: Some(Level::Wire), breaks, remedy });
        }
        let (breaks, remedy) = match (required, self.flow) {
            (true, Flow::OldToNew) => (
                format!("`{path}` is new and required. {}", self.reader_fails()),
                "Make it an `Option`, or give it a default with `#[serde(default)]`.",
            ),
            (true, Flow::NewToOld) => {
                (format!("`{path}` is new; {} ignore it.", self.readers()), "")
            }
            (false, _) => (format!("`{path}` is new and may be absent."), ""),
        };
        self.find(rule, path, Said { breaks, remedy, ..Said::default() });
    }

    fn presence(&mut self, path: &str, was: bool, is: bool) {
        let (rule, remedy) = match (was, is) {
            (false, true) => (
                Rule::FieldNowRequired,
                "Keep it an `Option`, or give it a default with `#[serde(default)]`.",
            ),
            (true, false) => (Rule::FieldNowOptional, "Go on sending it always."),
            _ => return,
        };
        let now = if is { "must be there now" } else { "may be absent now" };
        let breaks = format!("`{path}` {now}. {}", self.verdict(rule));
        self.find(rule, path, Said { breaks, remedy, ..Said::default() });
    }

    fn defaults(&mut self, path: &str, old: &Value, new: &Value) {
        if let (Some(was), Some(is)) = (old.get("default"), new.get("default"))
            && was != is
        {
            let said = Said {
                breaks: format!(
                    "Where `{path}` is absent it meant `{was}` and means `{is}`: the two sides \
                     understand the same message differently."
                ),
                remedy: "Keep the default, or send the field always.",
                ..Said::default()
            };
            self.find(Rule::DefaultChanged, path, said);
        }
    }

    fn choices(
        &mut self,
        path: &str,
        (old, was): (&Shape, &[Value]),
        (new, is): (&Shape, &[Value]),
    ) {
        if let (Some(before), Some(now)) = (old.tag(), new.tag())
            && before != now
        {
            let said = Said {
                breaks: format!(
                    "The variants of `{path}` were told apart by `{before}` and are by `{now}`. {}",
                    self.reader_fails()
                ),
                remedy: "Keep the name of the tag.",
                ..Said::default()
            };
            return self.find(Rule::DiscriminatorChanged, path, said);
        }
        if old.tag().is_some() != new.tag().is_some() {
            return self.type_changed(path, "a choice of one form", "a choice of another form");
        }
        let was = variants(self.comparison.old.defs, was, old.tag());
        let is = variants(self.comparison.new.defs, is, new.tag());
        for (name, schema) in &was {
            let place = format!("{path}.{name}");
            match is.get(name) {
                Some(now) => self.compare(&place, schema, now),
                None => self.lost(Rule::VariantRemoved, &place, new.is_open()),
            }
        }
        for name in is.keys().filter(|name| !was.contains_key(*name)) {
            self.gained(Rule::VariantAdded, &format!("{path}.{name}"), old.is_open());
        }
    }

    /// Everything that this program does not understand must be the same.
    fn opaque(&mut self, path: &str, old: &Shape, new: &Shape) {
        let plain = |shape: &Shape| bare(&Value::Object(shape.keywords.clone()));
        if plain(old) != plain(new) {
            return self.unclear(path, "it is of a form that this program does not know");
        }
        for name in references(&Value::Object(old.keywords.clone())) {
            let reference = serde_json::json!({ "$ref": format!("#/$defs/{name}") });
            self.compare(path, &reference, &reference);
        }
    }

    pub(super) fn unclear(&mut self, path: &str, problem: &str) {
        let text = format!("`{path}` in `{}`: {problem}", self.message);
        self.comparison.not_compared.insert(text);
    }

    pub(super) fn find(&mut self, rule: Rule, path: &str, said: Said) {
        let Some(level) = said.level.or(rule.level(self.flow)) else { return };
        self.comparison.find(Finding {
            level,
            rule,
            path: path.to_owned(),
            sender: self.sender,
            messages: vec![self.message.to_owned()],
            breaks: said.breaks,
            // Where nothing breaks there is nothing to do.
            remedy: if level == Level::Source { "" } else { said.remedy }.to_owned(),
        });
    }

    pub(super) const fn sender(&self) -> Sender {
        self.sender
    }
}

/// The branches of a choice, by the name of the variant.
fn variants(
    defs: &Map<String, Value>,
    branches: &[Value],
    tag: Option<&str>,
) -> BTreeMap<String, Value> {
    let mut named = BTreeMap::new();
    for branch in branches {
        let shape = shape::of(defs, branch).ok();
        let name = shape.and_then(|shape| variant(&shape, tag));
        let name = name.or_else(|| target(branch).map(str::to_owned));
        named.insert(name.unwrap_or_else(|| bare(branch).to_string()), branch.clone());
    }
    named
}

fn variant(shape: &Shape, tag: Option<&str>) -> Option<String> {
    match (&shape.kind, tag) {
        (Kind::Object(fields), Some(tag)) => Some(fields.get(tag)?.get("const")?.as_str()?.into()),
        (Kind::Object(fields), None) if fields.len() == 1 => {
            let name = fields.keys().next()?;
            shape.requires(name).then(|| name.clone())
        }
        (Kind::Words(words), None) if words.len() == 1 => words.first()?.as_str().map(Into::into),
        _ => None,
    }
}

fn constants(words: &[Value]) -> Vec<Value> {
    words.iter().map(|word| serde_json::json!({ "const": word })).collect()
}

/// The schema without words for people.
fn bare(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            let kept = object.iter().filter(|(key, value)| {
                // A field may be called `title`; then it is a schema.
                let told = shape::ANNOTATIONS.contains(&key.as_str()) && !value.is_object();
                !told && !key.starts_with("x-")
            });
            Value::Object(kept.map(|(key, value)| (key.clone(), bare(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(bare).collect()),
        plain => plain.clone(),
    }
}
