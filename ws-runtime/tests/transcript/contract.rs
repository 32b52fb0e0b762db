//! The protocol that the transcripts speak: `chat`, versions 1 to 3.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use ws_proto::{AckMeaning, RequestSpec, Resend, VersionRange};
use ws_runtime::session::Contract;

const REQUESTS: &[RequestSpec] = &[
    request("join", ["join.ok", "join.err"]),
    RequestSpec { removed: Some(3), ..request("leave", ["leave.ok", "leave.err"]) },
    RequestSpec { since: 2, ..request("whisper", ["whisper.ok", "whisper.err"]) },
    RequestSpec { ordered: true, ..request("say", ["say.ok", "say.err"]) },
    RequestSpec { item: Some("history.item"), ..request("history", ["history.ok", "history.err"]) },
    RequestSpec { ack: AckMeaning::Handled, ..request("save", ["save.ok", "save.err"]) },
];

/// What the sessions of a transcript are told about the protocol.
pub(crate) fn chat() -> Contract {
    Contract { name: "chat", versions: VersionRange::new(1, 3), requests: REQUESTS }
}

const fn request(kind: &'static str, [ok, err]: [&'static str; 2]) -> RequestSpec {
    RequestSpec {
        kind,
        ok,
        err,
        item: None,
        doc: "",
        since: 1,
        removed: None,
        deprecated: None,
        resend: Resend::Never,
        ordered: false,
        cancel: false,
        ack: AckMeaning::Received,
        request: any,
        reply: any,
        error: any,
        item_schema: None,
    }
}

fn any(generator: &mut SchemaGenerator) -> Schema {
    bool::json_schema(generator)
}
