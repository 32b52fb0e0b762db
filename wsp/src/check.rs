//! `wsp schema check`

use crate::documents::{self, Failure, Source};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use ws_schema::{Level, Report, Rollout};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  nothing of the level that was asked for
  1  at least one change breaks
  2  something could not be compared, or read

Examples:
  wsp schema check --against schema/history/1.json schema/chat.json
  wsp schema check --against git:v1.2.0 schema/chat.json --accept schema/accepted
  wsp schema check --against git:origin/main --format github schema/chat.json")]
pub(crate) struct Check {
    /// The older contract: a file, or `git:REF` for the same path in a commit, branch or tag.
    #[arg(long, value_name = "FILE|git:REF")]
    against: Source,
    /// How to say what was found.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// A file of accepted changes; one per line: `RULE path reason`.
    #[arg(long, value_name = "FILE")]
    accept: Option<PathBuf>,
    /// The least level that fails.
    #[arg(long, value_enum, default_value_t)]
    level: LeastLevel,
    /// Who gets the new contract first.
    #[arg(long, value_enum, default_value_t)]
    rollout: First,
    /// The newer contract.
    new: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// Annotations of GitHub.
    Github,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LeastLevel {
    /// A peer of the old contract fails or misreads.
    #[default]
    Wire,
    /// Also what fails readers that are not tolerant, or loses something without an error.
    Risk,
    /// Also what only needs edits in code.
    Source,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum First {
    /// Old clients talk to new servers.
    #[default]
    Server,
    /// New clients talk to old servers.
    Client,
    /// Both.
    Any,
}

impl Check {
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let new = documents::read(&self.new)?;
        let old = self.against.read(&self.new)?;
        let rollout = match self.rollout {
            First::Server => Rollout::ServerFirst,
            First::Client => Rollout::ClientFirst,
            First::Any => Rollout::AnyOrder,
        };
        let report = self.accepting(ws_schema::check_rollout(&old, &new, rollout))?;
        let text = match self.format {
            Format::Text => report.to_string(),
            Format::Json => format!("{:#}", report.to_json()),
            Format::Github => report.to_github(&self.new.to_string_lossy()),
        };
        if !text.is_empty() {
            documents::write(None, &format!("{text}\n"))?;
        }
        let level = match self.level {
            LeastLevel::Wire => Level::Wire,
            LeastLevel::Risk => Level::Risk,
            LeastLevel::Source => Level::Source,
        };
        Ok(report.outcome(level).exit_code())
    }

    fn accepting(&self, report: Report) -> Result<Report, Failure> {
        let Some(path) = &self.accept else { return Ok(report) };
        let accepted = documents::text(path)?.parse();
        let accepted = accepted.map_err(|error| Failure::Accepted(path.clone(), error))?;
        Ok(report.accept(&accepted))
    }
}
