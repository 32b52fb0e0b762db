//! Each rule about types, in both directions, held against what the types really read.
//!
//! A case is one type before and after. It is the payload of a request, so an old client writes it
//! for a new server, and of the answer, so a new server writes it for an old client. The level that
//! the comparison gives has to be `wire` exactly where the other side fails to read it.

#![expect(unreachable_pub, reason = "the types of a contract are public, and live in a test")]

mod choices;
mod fields;
mod values;

use serde_json::{Value, json};
use ws_schema::{Finding, Level, Report, Rollout, Sender};

/// Two contracts that differ in one type, and a value of each that shows the difference.
struct Case {
    old: Value,
    new: Value,
    /// Whether the new type reads what the old one wrote.
    new_reads_old: bool,
    /// Whether the old type reads what the new one wrote.
    old_reads_new: bool,
}

/// The type `Thing` before and after, with a value of each. The values are written by the types.
macro_rules! case {
    (
        old { $($old:item)* } says $old_value:expr;
        new { $($new:item)* } says $new_value:expr;
    ) => {{
        mod old {
            $(#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)] $old)*
            $crate::protocol!();
        }
        mod new {
            $(#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)] $new)*
            $crate::protocol!();
        }
        let old_value: old::Thing = { use old::*; $old_value };
        let new_value: new::Thing = { use new::*; $new_value };
        let old_text = serde_json::to_string(&old_value).expect("the old value is written");
        let new_text = serde_json::to_string(&new_value).expect("the new value is written");
        $crate::Case {
            old: ws_proto::schema::document::<old::Things>().expect("the old contract"),
            new: ws_proto::schema::document::<new::Things>().expect("the new contract"),
            new_reads_old: serde_json::from_str::<new::Thing>(&old_text).is_ok(),
            old_reads_new: serde_json::from_str::<old::Thing>(&new_text).is_ok(),
        }
    }};
}

/// The protocol of one type, in both directions.
macro_rules! protocol {
    () => {
        #[derive(Debug, ws_proto::Protocol)]
        #[protocol(name = "things", version = 1, requests = ThingRequest)]
        pub struct Things;

        #[derive(Debug, ws_proto::Requests)]
        pub enum ThingRequest {
            /// Takes a thing and gives one.
            #[rpc(reply = Thing)]
            Ask(Thing),
        }
    };
}
use case;
use protocol;

impl Case {
    /// The rule at the path, with its level from clients and its level from servers, `-` for none.
    #[track_caller]
    fn finds(&self, rule: &str, path: &str, from_clients: &str, from_servers: &str) -> &Self {
        let report = ws_schema::check(&self.old, &self.new);
        let level = |sender| {
            let here = |finding: &&Finding| {
                (finding.rule.id(), finding.path.as_str(), finding.sender) == (rule, path, sender)
            };
            report.findings().iter().find(here).map_or("-", |finding| finding.level.name())
        };
        let levels = (level(Sender::Client), level(Sender::Server));
        assert_eq!(levels, (from_clients, from_servers), "{rule} at {path} in\n{report}");
        self
    }

    /// The comparison says `wire` exactly where reading fails, whoever gets the contract first.
    #[track_caller]
    fn is_what_the_types_read(&self) {
        let wire = |report: &Report, sender| {
            let here = |finding: &Finding| finding.sender == sender && finding.level == Level::Wire;
            report.findings().iter().any(here)
        };
        for (rollout, writer_is_old) in
            [(Rollout::ServerFirst, Sender::Client), (Rollout::ClientFirst, Sender::Server)]
        {
            let report = ws_schema::check_rollout(&self.old, &self.new, rollout);
            assert_eq!(report.not_compared(), [""; 0]);
            assert_eq!(wire(&report, writer_is_old), !self.new_reads_old, "{rollout:?}\n{report}");
            let other = writer_is_old.other();
            assert_eq!(wire(&report, other), !self.old_reads_new, "{rollout:?}\n{report}");
        }
    }
}

#[test]
fn a_contract_is_compatible_with_itself() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
    };
    assert_eq!(ws_schema::check(&case.old, &case.new).findings(), []);
    case.is_what_the_types_read();
}

#[test]
fn words_for_people_change_nothing() {
    let case = case! {
        old { /** Before. */ pub struct Thing { /** One. */ pub a: u32 } } says Thing { a: 1 };
        new { /** After. */ pub struct Thing { /** Other. */ pub a: u32 } } says Thing { a: 1 };
    };
    assert_ne!(case.old, case.new);
    assert_eq!(ws_schema::check(&case.old, &case.new).findings(), []);
}

#[test]
fn the_report_of_a_change_names_everything_about_it() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new { pub struct Thing { pub a: u32, pub b: bool } } says Thing { a: 1, b: true };
    };
    let report = ws_schema::check(&case.old, &case.new);
    let worst = report.findings().first().expect("a finding").clone();
    assert_eq!(worst.messages, ["ask"]);
    assert_eq!(report.to_json()["findings"][0]["rule"], json!("FIELD_ADDED_REQUIRED"));
    assert!(worst.text().contains("New servers cannot read what old clients send."), "{report}");
    assert!(report.to_github("a:b,c").starts_with("::error file=a%3Ab%2Cc,title=FIELD_ADDED"));
}
