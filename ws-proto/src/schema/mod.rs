//! The JSON Schema of a protocol, for every other language.
