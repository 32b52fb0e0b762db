//! `wsp conformance`: the numbered cases, played against a server or a client.

use crate::documents::{self, Failure};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use ws_conformance::{Case, Plan, Report, client_cases, judge_client, judge_server, server_cases};
use ws_proto::Format;

/// Something failed, or nothing was played.
const NOT_GOOD: u8 = 1;

#[derive(Debug, Subcommand)]
pub(crate) enum Conformance {
    /// Judge the server at a URL. It serves the contract that docs/conformance.md describes.
    #[command(after_help = "\
Examples:
  wsp conformance server ws://127.0.0.1:9001/
  wsp conformance server ws://127.0.0.1:9001/ --format msgpack --report report.json
  wsp conformance server ws://127.0.0.1:9001/ --case 6.9")]
    Server {
        /// `ws://host:port/path`.
        url: String,
        #[command(flatten)]
        how: How,
    },
    /// Judge a client: the command is a testee that obeys the orders of docs/conformance.md.
    #[command(after_help = "\
Examples:
  wsp conformance client -- node clients/typescript/target/conformance/testee.js
  wsp conformance client --case 7. -- cargo run -q -p conformance --bin conformance-testee")]
    Client {
        #[command(flatten)]
        how: How,
        /// How the testee is started, once per case, with `WSP_URL` and `WSP_FORMAT`.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// List the cases.
    List,
}

/// Which cases are played, and how.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// The wire format.
    #[arg(long, value_enum, default_value_t = Wire::Json)]
    format: Wire,
    /// Only this case: `6.3`, all of a section: `6.`, or a transcript: `resume.md`.
    #[arg(long, value_name = "N")]
    case: Option<String>,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How many cases are played at the same time.
    #[arg(long, default_value_t = 8, value_name = "N")]
    at_once: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wire {
    Json,
    Msgpack,
}

impl Conformance {
    /// Plays the cases; the exit code is 0 where none failed, and 1 otherwise.
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        match self {
            Self::Server { url, how } => {
                let plan = how.plan();
                how.tell(&block_on(judge_server(url, &plan))?)
            }
            Self::Client { how, command } => {
                let plan = how.plan();
                how.tell(&block_on(judge_client(command, &plan))?)
            }
            Self::List => {
                let lines = |side: &str, cases: Vec<Case>| -> Vec<String> {
                    let line = |case: &Case| format!("{side} {} {}\n", case.id, case.title);
                    cases.iter().map(line).collect()
                };
                let mut all = lines("server", server_cases());
                all.extend(lines("client", client_cases()));
                documents::write(None, &all.concat())?;
                Ok(0)
            }
        }
    }
}

impl How {
    fn plan(&self) -> Plan {
        let format = match self.format {
            Wire::Json => Format::Json,
            Wire::Msgpack => Format::MessagePack,
        };
        Plan { only: self.case.clone(), at_once: self.at_once, ..Plan::new(format) }
    }

    /// Says what was found, and writes it where that was asked for.
    fn tell(&self, report: &Report) -> Result<u8, Failure> {
        if report.cases.is_empty() {
            let asked = self.case.clone().unwrap_or_default();
            return Err(Failure::Live(format!("no case is called `{asked}`: see the list")));
        }
        if let Some(path) = &self.report {
            let text = serde_json::to_string_pretty(report)
                .map_err(|error| Failure::Json("the report".to_owned(), error))?;
            documents::write(Some(path), &(text + "\n"))?;
        }
        documents::write(None, &report.to_string())?;
        if let Some(reason) = report.unreachable() {
            return Err(Failure::Live(reason.to_owned()));
        }
        Ok(if report.is_good() { 0 } else { NOT_GOOD })
    }
}

/// Runs until it is done, with sockets and timers.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Live(format!("no sockets: {error}")))?;
    Ok(runtime.block_on(work))
}
