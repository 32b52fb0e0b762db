//! Executable transcripts: the parser, and the runner that carries frames between two sessions.

mod application;
mod contract;
mod cut;
mod cuts;
mod run;
mod tell;

pub(crate) use run::run_block;
pub(crate) use ws_conformance::transcript::blocks;
use ws_proto::Format;

/// Runs every block of a text; the error names file and line.
pub(crate) fn run_text(file: &str, text: &str, format: Format) -> Result<(), String> {
    blocks(file, text).iter().try_for_each(|block| run_block(block, format))
}
