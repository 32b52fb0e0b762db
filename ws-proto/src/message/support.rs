//! What generated code calls. Not part of the public interface.

use super::{ChannelSpec, RequestSpec};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// The schema of one type, as a function pointer for the tables.
pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Refuses at compile time what is newer than the protocol. Called from a constant by
/// `#[derive(Protocol)]`; the sentences come from the macro, since a constant cannot format.
pub const fn newest_since(requests: &[RequestSpec], channels: &[ChannelSpec]) -> u32 {
    let mut newest = 0;
    let mut at = 0;
    while at < requests.len() {
        if requests[at].since > newest {
            newest = requests[at].since;
        }
        at += 1;
    }
    at = 0;
    while at < channels.len() {
        if channels[at].since > newest {
            newest = channels[at].since;
        }
        let mut event = 0;
        while event < channels[at].events.len() {
            if channels[at].events[event].since > newest {
                newest = channels[at].events[event].since;
            }
            event += 1;
        }
        at += 1;
    }
    newest
}
