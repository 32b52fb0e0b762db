//! The chat. `cargo run -p chat` serves it; `cargo run -p chat -- client --name ann` talks in it.

use chat::{server, terminal, web};
use clap::{Parser, Subcommand};
use std::{error::Error, io, net::SocketAddr, process::ExitCode, time::Duration};
use tokio::net::TcpListener;
use ws_runtime::{ServerConfig, server::Inspect};

/// How long somebody may be without a connection before they leave their rooms.
const GRACE: Duration = Duration::from_secs(20);

/// A chat over typed WebSocket channels. Without a command it serves.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// Show the live server at `/inspect` to whoever has this token; without it there is no page.
    #[arg(long, value_name = "TOKEN", env = "CHAT_INSPECT_TOKEN", hide_env_values = true)]
    inspect_token: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Talk in a room: lines of the standard input are messages.
    Client(terminal::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => serve(cli.listen, cli.inspect_token).await,
        Some(Command::Client(options)) => terminal::run(options).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(
    listen: SocketAddr,
    inspect_token: Option<String>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut server = server(ServerConfig::default(), GRACE)?;
    let is_shown = inspect_token.is_some();
    if let Some(token) = inspect_token {
        // What people write to each other is nobody else's.
        let page = Inspect::by_token("/inspect", token.into()).redact("text");
        server = server.inspect(page);
    }
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr()?;
    let stop = stop()?;
    println!("chat: open http://{address}/ in one or two browser tabs");
    println!("chat: or talk from a terminal:");
    println!("        cargo run -p chat -- client --name ann --url ws://{address}/ws");
    if is_shown {
        println!("chat: look at it live: http://{address}/inspect?token=<the token>");
    }
    let kibibytes = server.worst_case_bytes().div_ceil(1024);
    println!("chat: one connection costs at most {kibibytes} KiB; Ctrl-C drains");
    let stop = async move {
        stop.await;
        println!("chat: draining; clients are told when to come back");
    };
    web::serve(listener, server, stop).await?;
    println!("chat: stopped");
    Ok(())
}

/// Resolves with Ctrl-C or SIGTERM. The signals are taken from here on.
fn stop() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        // Without the signal there is nothing to wait for: stop.
        let _ = tokio::signal::ctrl_c().await;
    })
}
