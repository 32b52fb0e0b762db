//! Executable transcripts: the parser, and the runner that carries frames between two sessions.

mod application;
mod contract;
mod cut;
mod cuts;
mod parse;
mod run;
mod shape;
mod short;
mod tell;

pub(crate) use parse::blocks;
pub(crate) use run::run_block;
use ws_proto::Format;

/// Runs every block of a text; the error names file and line.
pub(crate) fn run_text(file: &str, text: &str, format: Format) -> Result<(), String> {
    blocks(file, text).iter().try_for_each(|block| run_block(block, format))
}
