//! The protocol that the transcripts speak: `chat`, versions 1 to 3.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use ws_proto::{AckMeaning, RequestSpec, Resend, VersionRange};
use ws_runtime::session::{Contract, Side};

const REQUESTS: &[RequestSpec] = &[
    request("join", ["join.ok", "join.err"]),
    RequestSpec { removed: Some(3), ..request("leave", ["leave.ok", "leave.err"]) },
    RequestSpec { since: 2, ..request("whisper", ["whisper.ok", "whisper.err"]) },
    RequestSpec { ordered: true, ..request("say", ["say.ok", "say.err"]) },
    RequestSpec { item: Some("history.item"), ..request("history", ["history.ok", "history.err"]) },
    RequestSpec { part: Some("import.part"), ..request("import", ["import.ok", "import.err"]) },
    RequestSpec { ack: AckMeaning::Handled, ..request("save", ["save.ok", "save.err"]) },
];

const CALLBACKS: &[RequestSpec] = &[
    request("confirm", ["confirm.ok", "confirm.err"]),
    RequestSpec { since: 2, ..request("locate", ["locate.ok", "locate.err"]) },
];

/// What the session of a side is told about the protocol.
pub(crate) fn chat(side: Side) -> Contract {
    let requests = match side {
        Side::Client => CALLBACKS,
        Side::Server => REQUESTS,
    };
    Contract { name: "chat", versions: VersionRange::new(1, 3), requests }
}

const fn request(kind: &'static str, [ok, err]: [&'static str; 2]) -> RequestSpec {
    RequestSpec {
        kind,
        ok,
        err,
        item: None,
        part: None,
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
        part_schema: None,
    }
}

fn any(generator: &mut SchemaGenerator) -> Schema {
    bool::json_schema(generator)
}
