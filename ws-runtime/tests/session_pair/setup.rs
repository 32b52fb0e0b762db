//! How the sessions of the rules are made.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use ws_proto::{AckMeaning, Address, Format, Raw, RequestSpec, Resend, VersionRange};
use ws_runtime::session::{Config, Contract};

const REQUESTS: &[RequestSpec] = &[
    request("join", ["join.ok", "join.err"]),
    RequestSpec { ordered: true, ..request("say", ["say.ok", "say.err"]) },
    RequestSpec { part: Some("import.part"), ..request("import", ["import.ok", "import.err"]) },
    RequestSpec { ack: AckMeaning::Handled, ..request("save", ["save.ok", "save.err"]) },
];

const fn request(kind: &'static str, [ok, err]: [&'static str; 2]) -> RequestSpec {
    RequestSpec {
        kind,
        ok,
        err,
        item: Some("join.item"),
        part: None,
        doc: "",
        since: 1,
        removed: None,
        deprecated: None,
        resend: Resend::Never,
        ordered: false,
        cancel: false,
        ack: AckMeaning::Received,
        request: any_shape,
        reply: any_shape,
        error: any_shape,
        item_schema: None,
        part_schema: None,
    }
}

fn any_shape(generator: &mut SchemaGenerator) -> Schema {
    bool::json_schema(generator)
}

pub(crate) fn config(seed: u64) -> Config {
    let versions = VersionRange::new(1, 1);
    let mut config = Config::new(Contract { name: "chat", versions, requests: REQUESTS });
    config.seed = seed;
    config.limits.max_in_flight = 2;
    config.limits.max_queued = 2;
    config.limits.max_subs = 1;
    config.limits.upload_window = 3;
    config.limits.rate_per_s = 50;
    config.limits.rate_burst = 10;
    config
}

pub(crate) fn room() -> Address {
    Address::parse("room/lobby").expect("an address")
}

/// A payload that says which call it is about.
pub(crate) fn numbered(call: u64) -> Raw {
    Raw::encode(Format::Json, &call).expect("a number")
}

/// What such a payload says; frames that were made up say nothing.
pub(crate) fn number(payload: &Raw) -> u64 {
    payload.decode().unwrap_or(u64::MAX)
}
