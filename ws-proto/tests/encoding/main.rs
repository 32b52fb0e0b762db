//! Values and headers are written byte for byte as the formats' own crates write them, and refused
//! in the same words (`docs/protocol.md`, section 2).

mod heads;
mod rules;
mod tree;
mod values;
