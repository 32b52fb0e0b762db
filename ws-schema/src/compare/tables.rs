//! What `x-ws-protocol` says: which requests, callbacks, channels and events there are.

use super::Comparison;
use crate::{
    contract::entries,
    report::{Finding, Sender},
    rule::{Flow, Level, Rule},
};
use serde_json::Value;
use std::collections::BTreeMap;

const TABLES: [(&str, &str, Sender); 3] = [
    ("requests", "request", Sender::Client),
    ("callbacks", "callback", Sender::Server),
    ("channels", "channel", Sender::Client),
];

/// An entry of a table: where it is, what it is and who starts with it.
#[derive(Clone, Debug)]
struct Entry {
    path: String,
    what: String,
    asker: Sender,
}

impl Comparison<'_> {
    pub(super) fn tables(&mut self) {
        for (table, what, asker) in TABLES {
            let (old, new) = (self.old.table(table), self.new.table(table));
            let entry = |name: &str| Entry {
                path: format!("{table}.{name}"),
                what: format!("the {what} `{name}`"),
                asker,
            };
            self.existence(&old, &new, &entry);
            for (name, old) in &old {
                let Some(new) = new.get(name) else { continue };
                match table {
                    "channels" => self.channel(&entry(name), name, old, new),
                    _ => self.request(&entry(name), old, new),
                }
            }
        }
    }

    /// What came and what went.
    fn existence(
        &mut self,
        old: &BTreeMap<&str, &Value>,
        new: &BTreeMap<&str, &Value>,
        entry: &dyn Fn(&str) -> Entry,
    ) {
        for (name, facts) in old {
            match new.get(name) {
                None => self.gone(&entry(name), name, facts, new, old),
                Some(now) => self.age(&entry(name), facts, now),
            }
        }
        for (name, facts) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
            self.came(&entry(name), facts);
        }
    }

    fn gone(
        &mut self,
        entry: &Entry,
        name: &str,
        facts: &Value,
        new: &BTreeMap<&str, &Value>,
        old: &BTreeMap<&str, &Value>,
    ) {
        let elsewhere = TABLES.iter().find(|(table, ..)| {
            self.new.entry(table, name).is_some() && self.old.entry(table, name).is_none()
        });
        if let Some((_, now, _)) = elsewhere.filter(|_| !entry.path.contains(".events.")) {
            let breaks =
                format!("{} is a {now} now; old peers use it as before.", cap(&entry.what));
            let remedy = "Give the new one another name.";
            return self.entry(Rule::KindChanged, entry, None, breaks, remedy);
        }
        if number(facts, "removed").is_some_and(|removed| removed <= self.new.min_version) {
            let breaks =
                format!("{} is gone, which no version that is still spoken has.", cap(&entry.what));
            return self.entry(Rule::MessageRemoved, entry, Some(Level::Source), breaks, "");
        }
        let alike = new.iter().find(|(other, now)| {
            !old.contains_key(*other)
                && payload_of(now).is_some_and(|it| payload_of(facts) == Some(it))
        });
        let looks = alike.map_or_else(String::new, |(other, _)| {
            format!(" It looks as if it were `{other}` now: a new name is a new message.")
        });
        let breaks = format!("{} is gone.{looks} {}", cap(&entry.what), self.missed(entry));
        let remedy = "Keep it and mark it `removed = ..` with the version that no longer has it; \
                      take it out when `min_version` has reached that version.";
        let level = self.level_of_loss(entry);
        self.entry(Rule::MessageRemoved, entry, level, breaks, remedy);
        self.told(entry, facts);
    }

    /// Where only new peers ask, nobody misses what is gone.
    fn level_of_loss(&self, entry: &Entry) -> Option<Level> {
        let asks_old = self.rollout.flows(entry.asker).contains(&Flow::OldToNew);
        let waits_old = entry.path.starts_with("channels.");
        (!asks_old && !waits_old).then_some(Level::Source)
    }

    fn missed(&self, entry: &Entry) -> String {
        let asker = entry.asker.name();
        if entry.path.contains(".events.") {
            "Old clients wait for it and never get it.".to_owned()
        } else if entry.path.starts_with("channels.") {
            "Old clients that subscribe are answered `$err not_found`.".to_owned()
        } else if self.rollout.flows(entry.asker).contains(&Flow::OldToNew) {
            format!("Old {asker}s that send it are answered `$err unimplemented`.")
        } else {
            format!("New {asker}s never send it, so nobody is refused.")
        }
    }

    /// The versions of something that was there and still is.
    fn age(&mut self, entry: &Entry, old: &Value, new: &Value) {
        let version = self.old.version;
        let had = |facts| {
            number(facts, "since").is_none_or(|since| since <= version)
                && number(facts, "removed").is_none_or(|removed| removed > version)
        };
        if had(old) && !had(new) {
            let breaks = format!(
                "Version {version} had {} and no longer has it. {}",
                entry.what,
                self.missed(entry)
            );
            let remedy = "Let `removed` be a version that no peer speaks yet, and leave `since` \
                          as it was.";
            self.entry(Rule::MessageRemoved, entry, None, breaks, remedy);
        }
        if number(new, "removed").is_some() && number(old, "removed").is_none() {
            self.told(entry, old);
        }
    }

    fn told(&mut self, entry: &Entry, old: &Value) {
        if old.get("deprecated").is_none() && old.get("removed").is_none() {
            let breaks = format!(
                "{} goes without having been deprecated, so its users learn of it by failing.",
                cap(&entry.what)
            );
            let remedy = "Publish a version in which it is `#[deprecated(note = \"..\")]` first.";
            self.entry(Rule::DeprecatedRemovedEarly, entry, None, breaks, remedy);
        }
    }

    fn came(&mut self, entry: &Entry, facts: &Value) {
        let breaks = format!("{} is new; exhaustive matches need an arm for it.", cap(&entry.what));
        self.entry(Rule::MessageAdded, entry, None, breaks, "");
        let since = number(facts, "since").unwrap_or(1);
        let is_event = entry.path.contains(".events.");
        // An event that a client does not know is an item of its stream, and breaks nothing.
        if since <= self.old.version && !is_event {
            let breaks = format!(
                "{} is there since version {since}, which old peers speak without having it: a \
                 new peer cannot know whether the other one does.",
                cap(&entry.what)
            );
            let remedy = format!(
                "Raise the protocol's version to {} or more and say `since = ..` with it.",
                self.old.version + 1
            );
            self.entry(Rule::VersionNotBumped, entry, None, breaks, &remedy);
        }
    }

    fn request(&mut self, entry: &Entry, old: &Value, new: &Value) {
        for (key, what) in [
            ("reply", "a reply"),
            ("stream", "items"),
            ("upload", "an upload"),
            ("payload", "a payload"),
        ] {
            let (had, has) = (old.get(key).is_some(), new.get(key).is_some());
            if had != has {
                let (before, now) = if had { ("with", "without") } else { ("without", "with") };
                let breaks = format!(
                    "{} was {before} {what} and is {now}: each side waits for what the other \
                     does not send.",
                    cap(&entry.what)
                );
                let remedy = "Make it a new request, and keep the old one as it was.";
                self.entry(Rule::RequestResponseChanged, entry, None, breaks, remedy);
            }
        }
        if old.get("error").is_none() && new.get("error").is_some() {
            let breaks = format!(
                "{} may be refused with a typed error; old {}s take such an answer for an \
                 unreadable one.",
                cap(&entry.what),
                entry.asker.name()
            );
            let remedy = "Send the error only where the negotiated version has it.";
            self.entry(Rule::RequestErrorAdded, entry, None, breaks, remedy);
        }
        self.promises(entry, old, new);
    }

    /// What a request promises beside its types.
    fn promises(&mut self, entry: &Entry, old: &Value, new: &Value) {
        let (was, is) = (text(old, "resend"), text(new, "resend"));
        if was != is && was != "never" {
            let breaks = format!(
                "{} was `{was}` and is `{is}`: old {}s still send it again after a lost \
                 connection, and it may be worked on twice.",
                cap(&entry.what),
                entry.asker.name()
            );
            let remedy = "Keep the promise, or make it a new request.";
            self.entry(Rule::ResendChanged, entry, None, breaks, remedy);
        }
        if old.get("ordered") == Some(&true.into()) && new.get("ordered") != Some(&true.into()) {
            let breaks = format!(
                "{} was worked on in the order of sending and no longer is.",
                cap(&entry.what)
            );
            let remedy = "Keep `ordered`, or make it a new request.";
            self.entry(Rule::OrderChanged, entry, None, breaks, remedy);
        }
        let (was, is) = (text(old, "ack"), text(new, "ack"));
        if was != is {
            let breaks =
                format!("An acknowledgement of {} said `{was}` and says `{is}`.", entry.what);
            let remedy = "Keep its meaning, or make it a new request.";
            self.entry(Rule::AckChanged, entry, None, breaks, remedy);
        }
    }

    fn channel(&mut self, entry: &Entry, name: &str, old: &Value, new: &Value) {
        let (was, is) = (text(old, "address"), text(new, "address"));
        if parts(was) != parts(is) {
            let breaks = format!(
                "The address of {} was `{was}` and is `{is}`: what one side subscribes to, the \
                 other cannot read.",
                entry.what
            );
            let remedy = "Make it a new channel.";
            self.entry(Rule::AddressChanged, entry, None, breaks, remedy);
        }
        let (was, is) = (text(old, "delivery"), text(new, "delivery"));
        if was != is {
            let breaks = format!(
                "The delivery of {} was `{was}` and is `{is}`: positions and acknowledgements \
                 appear or vanish for old clients.",
                entry.what
            );
            let remedy = "Make it a new channel.";
            self.entry(Rule::DeliveryChanged, entry, None, breaks, remedy);
        }
        if text(old, "publish") == "client" && text(new, "publish") != "client" {
            let breaks = format!("Old clients publish to {} and are refused.", entry.what);
            let remedy = "Keep `publish = client`, and refuse in the authorizer where it must be.";
            self.entry(Rule::PublishForbidden, entry, None, breaks, remedy);
        }
        self.kept(entry, old, new);
        let (old, new) = (entries(old.get("events")), entries(new.get("events")));
        self.existence(&old, &new, &|event| Entry {
            path: format!("channels.{name}.events.{event}"),
            what: format!("the event `{name}.{event}`"),
            asker: Sender::Server,
        });
    }

    /// What a channel keeps for those who come late.
    fn kept(&mut self, entry: &Entry, old: &Value, new: &Value) {
        for key in ["history", "history_bytes", "history_secs"] {
            // No bound is the largest one, except that no history is none.
            let most = if key == "history" { 0 } else { u64::MAX };
            let (was, is) = (number(old, key).unwrap_or(most), number(new, key).unwrap_or(most));
            if is < was {
                let breaks = format!(
                    "{} keeps less than before (`{key}` is {is}): a client that was away misses \
                     events that it would have got.",
                    cap(&entry.what)
                );
                let remedy = "Keep as much as before, or see that clients can start over.";
                self.entry(Rule::HistoryShortened, entry, None, breaks, remedy);
            }
        }
        if new.get("latest").is_some() && old.get("latest").is_none() {
            let breaks = format!(
                "A slow subscriber of {} gets the newest event of each name only.",
                entry.what
            );
            let remedy = "Make it a new channel where each event counts.";
            self.entry(Rule::HistoryShortened, entry, None, breaks, remedy);
        }
        match (old.get("snapshot").is_some(), new.get("snapshot").is_some()) {
            (false, true) => {
                let breaks = format!(
                    "{} begins with a snapshot, which old clients do not know: they are not told \
                     of what a fresh one replaces.",
                    cap(&entry.what)
                );
                let remedy = "Make it a new channel, or see that old clients can do without.";
                self.entry(Rule::SnapshotAdded, entry, None, breaks, remedy);
            }
            (true, false) => {
                let breaks = format!("Old clients of {} wait for its snapshot.", entry.what);
                self.entry(Rule::SnapshotRemoved, entry, None, breaks, "Keep the snapshot.");
            }
            _ => {}
        }
    }

    fn entry(
        &mut self,
        rule: Rule,
        entry: &Entry,
        level: Option<Level>,
        breaks: String,
        remedy: &str,
    ) {
        let flows = self.rollout.flows(entry.asker);
        let Some(level) = level.or(flows.iter().filter_map(|flow| rule.level(*flow)).max()) else {
            return;
        };
        self.find(Finding {
            level,
            rule,
            path: entry.path.clone(),
            sender: entry.asker,
            messages: vec![],
            breaks,
            remedy: remedy.to_owned(),
        });
    }
}

fn number(facts: &Value, key: &str) -> Option<u64> {
    facts.get(key)?.as_u64()
}

fn text<'a>(facts: &'a Value, key: &str) -> &'a str {
    facts.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn payload_of(facts: &Value) -> Option<&Value> {
    facts.get("payload").or_else(|| facts.get("events"))
}

/// The names of fields do not travel; the kind and their number do.
fn parts(address: &str) -> (&str, usize) {
    let mut parts = address.split('/');
    (parts.next().unwrap_or_default(), parts.count())
}

/// A sentence begins with a capital letter.
fn cap(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
