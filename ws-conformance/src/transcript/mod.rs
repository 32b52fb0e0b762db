//! The grammar of the executable transcripts (`docs/sessions/README.md`): blocks of a page, their
//! lines, and frames in their short form.

mod parse;
mod shape;
mod short;

pub use parse::{Block, Line, Step, Who, blocks, duration};
pub use shape::{Labels, build, compare, describe, is_sequenced, is_within, payload_of};
pub use short::{Short, fault};
