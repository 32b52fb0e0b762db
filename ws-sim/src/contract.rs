//! The protocol that is spoken in a run.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use ws_proto::{
    AckMeaning, Address, ChannelSpec, DecodeError, Delivery, EncodeError, EncodedEvent, EventSet,
    EventSpec, Format, Raw, RequestSpec, Resend, VersionRange,
};
use ws_runtime::session::Contract;

/// Answered with the number of the job.
pub(crate) const GET: usize = 0;
/// Acknowledged when it was handled.
pub(crate) const SAVE: usize = 2;
/// Answered with items and then the number of the job; its handler ends on cancel.
pub(crate) const LIST: usize = 3;

/// Answered once for each key, whoever asks again.
pub(crate) const PAY: usize = 4;

/// Takes parts, and is answered with the number of the job; its handler ends on cancel.
pub(crate) const LOAD: usize = 5;

pub(crate) static REQUESTS: [RequestSpec; 6] = [
    RequestSpec { resend: Resend::Idempotent, ..request("get", "get.ok", "get.err") },
    RequestSpec { ordered: true, ..request("put", "put.ok", "put.err") },
    RequestSpec { ack: AckMeaning::Handled, ..request("save", "save.ok", "save.err") },
    RequestSpec { item: Some("list.item"), cancel: true, ..request("list", "list.ok", "list.err") },
    RequestSpec { resend: Resend::Dedup, ..request("pay", "pay.ok", "pay.err") },
    RequestSpec { part: Some("load.part"), cancel: true, ..request("load", "load.ok", "load.err") },
];

/// The last one is best-effort; the histories of the others are drawn by choosing one.
pub(crate) static CHANNELS: [ChannelSpec; 7] = [
    log("log1", 1),
    log("log2", 2),
    log("log3", 3),
    log("log5", 5),
    log("log8", 8),
    log("log16", 16),
    ChannelSpec { delivery: Delivery::BestEffort, ..log("tick", 0) },
];

pub(crate) fn contract() -> Contract {
    Contract { name: "sim", versions: VersionRange::new(1, 1), requests: &REQUESTS }
}

/// The address of a channel of this kind.
pub(crate) fn address(spec: &ChannelSpec) -> Address {
    Address::parse(format!("{}/a", spec.kind)).expect("a plain address")
}

pub(crate) fn spec_of(address: &Address) -> &'static ChannelSpec {
    CHANNELS.iter().find(|spec| spec.kind == address.kind()).expect("one of the channels")
}

/// The number that a payload carries; nobody here sends anything else.
pub(crate) fn number(payload: &Raw) -> u64 {
    payload.decode().unwrap_or(u64::MAX)
}

pub(crate) fn numbered(format: Format, number: u64) -> Raw {
    Raw::encode(format, &number).expect("a small number")
}

/// The event that carries the number of a job.
pub(crate) fn event(address: &Address, job: u64) -> EncodedEvent {
    EncodedEvent::new(address.kind(), &Said(job)).expect("a small number")
}

struct Said(u64);

impl EventSet for Said {
    const SPECS: &'static [EventSpec] = &[];

    fn kind(&self) -> &'static str {
        "said"
    }

    fn encode(&self, format: Format) -> Result<Raw, EncodeError> {
        Raw::encode(format, &self.0)
    }

    fn decode(_: &str, payload: &Raw) -> Result<Self, DecodeError> {
        payload.decode().map(Self)
    }
}

const fn request(kind: &'static str, ok: &'static str, err: &'static str) -> RequestSpec {
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
        request: any_shape,
        reply: any_shape,
        error: any_shape,
        item_schema: None,
        part_schema: None,
    }
}

const fn log(kind: &'static str, history: u32) -> ChannelSpec {
    ChannelSpec {
        kind,
        fields: &["name"],
        doc: "",
        since: 1,
        removed: None,
        deprecated: None,
        delivery: Delivery::AtLeastOnce,
        history,
        history_bytes: None,
        history_secs: None,
        latest: false,
        client_publish: true,
        snapshot: None,
        events: &[],
    }
}

fn any_shape(generator: &mut SchemaGenerator) -> Schema {
    bool::json_schema(generator)
}
