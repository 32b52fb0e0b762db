//! `wsp`, the command-line tool of ws-proto.

#![forbid(unsafe_code)]

mod ask;
mod bench;
mod check;
mod conformance;
mod connect;
mod contract;
mod documents;
mod lasting;
mod live;
mod proxy;
mod write;

use clap::{Args, Parser, Subcommand};
use documents::Failure;
use std::{path::PathBuf, process::ExitCode};

/// The exit code of everything that could not be done, as opposed to what was found wrong.
const FAILED: u8 = 2;

#[derive(Debug, Parser)]
#[command(name = "wsp", version, about = "Tools for ws-proto contracts", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  wsp schema check --against git:main schema/chat.json
  wsp schema export schema/chat.json --format asyncapi
  wsp schema lint schema/chat.json
  wsp gen typescript schema/chat.json --out src/chat.ts
  wsp conformance server ws://127.0.0.1:9001/";

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare, export or judge the contract of a protocol.
    #[command(subcommand)]
    Schema(Schema),
    /// Write the contract of a protocol as types of another language.
    #[command(subcommand)]
    Gen(Gen),
    /// Judge a server or a client by the numbered cases of the protocol.
    #[command(subcommand)]
    Conformance(conformance::Conformance),
    #[command(after_help = "\
Examples:
  wsp call ws://127.0.0.1:3000/ws join '{\"room\":\"lobby\"}' --token ann --contract schema/chat.json")]
    Call(ask::Ask),
    #[command(after_help = "\
Examples:
  wsp tail ws://127.0.0.1:3000/ws lobby --token ann --since 5f-1:17")]
    Tail(ask::Tail),
    #[command(after_help = connect::AFTER_HELP)]
    Connect(connect::Connect),
    #[command(after_help = bench::AFTER_HELP)]
    Bench(bench::Bench),
    #[command(after_help = "\
Examples:
  wsp proxy 127.0.0.1:9100 ws://127.0.0.1:9000/ws --redact text")]
    Proxy(proxy::Proxy),
}

#[derive(Debug, Subcommand)]
enum Schema {
    /// Say what a newer contract breaks, for whom, and what to do about it.
    Check(check::Check),
    /// Write the contract in another form.
    Export(write::Export),
    /// Say what in a contract other languages have trouble with.
    Lint(write::Lint),
}

#[derive(Debug, Subcommand)]
enum Gen {
    /// Types, a map of requests and channels, and what a client needs at run time.
    #[command(after_help = "\
Examples:
  wsp gen typescript schema/chat.json --out src/chat.ts
  wsp gen typescript schema/chat.json | head")]
    Typescript(Target),
    /// Pydantic models (version 2), one per definition.
    #[command(after_help = "\
Examples:
  wsp gen python schema/chat.json --out chat_protocol.py")]
    Python(Target),
}

/// A contract to read and a file to write.
#[derive(Debug, Args)]
struct Target {
    /// The contract: the committed document of a protocol.
    contract: PathBuf,
    /// Where to write it; the standard output where nothing is said.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let code = match Arguments::parse().command {
        Command::Schema(Schema::Check(check)) => check.run(),
        Command::Schema(Schema::Export(export)) => export.run(),
        Command::Schema(Schema::Lint(lint)) => lint.run(),
        Command::Conformance(conformance) => conformance.run(),
        Command::Call(ask) => ask.run(),
        Command::Tail(tail) => tail.run(),
        Command::Connect(connect) => connect.run(),
        Command::Bench(bench) => bench.run(),
        Command::Proxy(proxy) => proxy.run(),
        Command::Gen(Gen::Typescript(target)) => target.run(ws_schema::typescript),
        Command::Gen(Gen::Python(target)) => target.run(ws_schema::python),
    };
    ExitCode::from(code.unwrap_or_else(|failure: Failure| {
        eprintln!("wsp: {failure}");
        FAILED
    }))
}

impl Target {
    fn run(
        &self,
        generate: fn(&serde_json::Value) -> Result<String, String>,
    ) -> Result<u8, Failure> {
        let document = documents::read(&self.contract)?;
        let text = generate(&document)
            .map_err(|problem| Failure::Contract(self.contract.clone(), problem))?;
        documents::write(self.out.as_deref(), &text)?;
        Ok(0)
    }
}
