//! What has no schema, and the sentences that say so.

use crate::tables::{channel, event, protocol, request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ws_proto::{ChannelSpec, Delivery, Never, Protocol, schema};

macro_rules! payloads {
    ($($item:item)+) => { $(
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        $item
    )+ };
}

payloads! {
    pub(crate) struct GetUser { id: u64 }
    pub(crate) struct Nested { list: Vec<Inner>, map: BTreeMap<String, Option<i64>> }
    pub(crate) struct Inner { at: (u32, usize) }
    pub(crate) enum Sum { Never, Until { time: u64 } }
    pub(crate) struct Page<T> { items: Vec<T> }
    pub(crate) struct Two { first: one::User, second: other::User }
    pub(crate) struct User2 { user: one::User }
    pub(crate) struct Both { user: one::User, second: User2 }
    pub(crate) struct Plain { text: String }
    pub(crate) struct PlainMessage { text: String }
    pub(crate) struct SumUntil { text: String }
    pub(crate) struct Beside { sum: Sum, until: SumUntil }
    #[schemars(rename = "a/b")]
    pub(crate) struct Slash { text: String }
}

pub(crate) mod one {
    use super::*;
    payloads! { pub(crate) struct User { name: String } }
}
pub(crate) mod other {
    use super::*;
    payloads! { pub(crate) struct User { nick: String } }
}

fn problems<P: Protocol>() -> Vec<String> {
    schema::document::<P>().map_or_else(|error| error.problems().to_vec(), |_| vec![])
}

/// The path that each problem begins with.
fn paths<P: Protocol>() -> Vec<String> {
    let path = |problem: String| problem.split('`').nth(1).unwrap_or_default().to_owned();
    problems::<P>().into_iter().map(path).collect()
}

protocol!(
    wide,
    &[
        request::<GetUser, u64, Sum>(["get_user", "get_user.ok", "get_user.err"]),
        request::<Nested, (), Never>(["nested", "nested.ok", "nested.err"]),
    ],
    &[channel("room", Delivery::AtLeastOnce, &[event::<GetUser>("said")])]
);

#[test]
fn every_integer_that_can_pass_2_53_is_reported_with_its_path() {
    assert_eq!(
        paths::<wide::It>(),
        ["GetUser.id", "Inner.at.1", "Nested.map.*", "Sum.Until.time", "get_user.ok"]
    );
    let first = problems::<wide::It>().remove(0);
    assert!(first.starts_with("`GetUser.id` can pass 2^53-1, "), "{first}");
    assert!(first.contains("#[ws(bounded)]") && first.contains("#[ws(text)]"), "{first}");
}

#[test]
#[should_panic(expected = "protocol `wide`: the protocol has no schema:\n- `GetUser.id` can pass")]
fn a_protocol_with_problems_fails_the_users_test() {
    schema::assert_committed::<wide::It>("tests/schema/wide.json");
}

#[test]
fn a_protocol_with_problems_has_a_fingerprint() {
    assert_eq!(schema::fingerprint::<wide::It>().len(), 16);
}

protocol!(modules, &[request::<Two, (), Never>(["two", "two.ok", "two.err"])], &[]);
protocol!(
    directions,
    &[request::<one::User, other::User, Never>(["get", "get.ok", "get.err"])],
    &[]
);
protocol!(
    generic,
    &[request::<Page<String>, Page<bool>, Never>(["get", "get.ok", "get.err"])],
    &[]
);

#[test]
fn two_types_of_one_name_are_reported_with_both_places() {
    assert_eq!(
        problems::<modules::It>(),
        ["`User` is the name of two types, one at `Two.first` and one at `Two.second`: rename \
          one of them with `#[schemars(rename = \"..\")]` (a generic type with \
          `#[schemars(rename = \"{T}User\")]`)"]
    );
    assert_eq!(paths::<directions::It>(), ["User"]);
    assert_eq!(paths::<generic::It>(), ["Page"]);
}

protocol!(numbered, &[request::<Both, User2, Never>(["get", "get.ok", "get.err"])], &[]);

#[test]
fn a_name_that_ends_in_a_number_is_no_collision() {
    assert_eq!(problems::<numbered::It>(), [""; 0]);
}

protocol!(
    message,
    &[request::<Plain, PlainMessage, Never>(["plain", "plain.ok", "plain.err"])],
    &[]
);
protocol!(variant, &[request::<Plain, Beside, Never>(["get", "get.ok", "get.err"])], &[]);
protocol!(slash, &[request::<Slash, (), Never>(["get", "get.ok", "get.err"])], &[]);

#[test]
fn a_type_with_the_name_of_a_message_or_a_variant_is_reported() {
    assert_eq!(paths::<message::It>(), ["PlainMessage"]);
    assert!(paths::<variant::It>().contains(&"SumUntil".to_owned()));
    assert_eq!(paths::<slash::It>(), ["a/b"]);
}

protocol!(
    kinds,
    &[
        request::<Plain, (), Never>(["get", "get.ok", "get.err"]),
        request::<Plain, (), Never>(["get", "got.ok", "got.err"]),
    ],
    &[
        ChannelSpec {
            client_publish: true,
            ..channel("room", Delivery::BestEffort, &[event::<Plain>("said")])
        },
        channel("room", Delivery::BestEffort, &[event::<Plain>("said")]),
    ]
);

#[test]
fn a_type_that_names_two_messages_is_reported() {
    assert_eq!(
        problems::<kinds::It>(),
        [
            "`get` is the `type` of the request `get` and of the request `get`",
            "`room.said` is the `type` of the event `said` of the channel `room` and of the \
             event `said` of the channel `room`",
        ]
    );
}

#[test]
fn the_error_lists_every_problem() {
    let error = schema::document::<wide::It>().unwrap_err();
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1 + error.problems().len());
    assert!(error.problems().iter().all(|problem| text.contains(problem)));
}
