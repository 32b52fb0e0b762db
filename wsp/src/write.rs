//! `wsp schema export` and `wsp schema lint`

use crate::documents::{self, Failure};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use ws_proto::schema::to_text;
use ws_schema::{Draft, Sender};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wsp schema export schema/chat.json --format client --out client.schema.json
  wsp schema export schema/chat.json --format server --draft 07
  wsp schema export schema/chat.json --format asyncapi --out chat.asyncapi.json")]
pub(crate) struct Export {
    /// The contract: the committed document of a protocol.
    contract: PathBuf,
    /// What to write.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// The draft of JSON Schema, where the format leaves a choice.
    #[arg(long, value_enum, default_value_t)]
    draft: DraftName,
    /// Where to write it; the standard output where nothing is said.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Form {
    /// The whole document.
    #[default]
    Whole,
    /// What clients send, and the types in it.
    Client,
    /// What servers send, and the types in it.
    Server,
    /// An `AsyncAPI` 3.0.0 document.
    Asyncapi,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum DraftName {
    /// 2020-12.
    #[default]
    #[value(name = "2020-12")]
    Current,
    /// Draft 07, for older tools.
    #[value(name = "07")]
    Seven,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  nothing
  1  at least one place gives trouble
  2  the contract cannot be read

Examples:
  wsp schema lint schema/chat.json")]
pub(crate) struct Lint {
    /// The contract: the committed document of a protocol.
    contract: PathBuf,
}

impl Export {
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let document = documents::read(&self.contract)?;
        let draft = match self.draft {
            DraftName::Current => Draft::Current,
            DraftName::Seven => Draft::Seven,
        };
        let exported = match self.format {
            Form::Whole => ws_schema::in_draft(&document, draft),
            Form::Client => ws_schema::side(&document, Sender::Client, draft),
            Form::Server => ws_schema::side(&document, Sender::Server, draft),
            Form::Asyncapi => ws_schema::asyncapi(&document),
        };
        let exported =
            exported.map_err(|problem| Failure::Contract(self.contract.clone(), problem))?;
        documents::write(self.out.as_deref(), &to_text(&exported))?;
        Ok(0)
    }
}

impl Lint {
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let document = documents::read(&self.contract)?;
        let problems = ws_schema::lint(&document)
            .map_err(|problem| Failure::Contract(self.contract.clone(), problem))?;
        if !problems.is_empty() {
            documents::write(None, &(problems.join("\n") + "\n"))?;
        }
        Ok(u8::from(!problems.is_empty()))
    }
}
