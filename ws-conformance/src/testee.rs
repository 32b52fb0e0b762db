//! The program around a client that is judged: it is told what to do by lines on its standard input
//! and says what happened by lines on its standard output (`docs/conformance.md`).

use serde_json::Value;
use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStderr, ChildStdin, Command},
    sync::mpsc,
};
use ws_proto::Format;

/// What a testee may say on its standard error, as far as a report shows it.
const ERRORS: u64 = 4096;

/// A client that is judged, as a process. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Testee {
    process: Child,
    orders: Option<ChildStdin>,
    reports: mpsc::UnboundedReceiver<Result<Value, String>>,
}

impl Testee {
    /// Starts a program.
    pub(crate) fn start(command: &[String], url: &str, format: Format) -> Result<Self, String> {
        let [program, arguments @ ..] = command else {
            return Err("no command to start the client with".to_owned());
        };
        let name = if format == Format::Json { "json" } else { "msgpack" };
        let mut process = Command::new(program)
            .args(arguments)
            .env("WSP_URL", url)
            .env("WSP_FORMAT", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("`{program}` does not start: {error}"))?;
        let orders = process.stdin.take();
        let (told, reports) = mpsc::unbounded_channel();
        let said = process.stdout.take();
        let failed = tokio::spawn(last_words(process.stderr.take()));
        tokio::spawn(async move {
            let mut lines = BufReader::new(said?).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let report = serde_json::from_str(&line)
                    .map_err(|error| format!("the testee said `{line}`: {error}"));
                told.send(report).ok()?;
            }
            let errors = failed.await.unwrap_or_default();
            told.send(Err(format!("the testee has ended: {}", errors.trim()))).ok()
        });
        Ok(Self { process, orders, reports })
    }

    /// Tells it what to do.
    pub(crate) async fn order(&mut self, order: &Value) -> Result<(), String> {
        let gone = || "the testee reads no orders any more".to_owned();
        let orders = self.orders.as_mut().ok_or_else(gone)?;
        orders.write_all(format!("{order}\n").as_bytes()).await.map_err(|_| gone())?;
        orders.flush().await.map_err(|_| gone())
    }

    /// What it says next. It may be dropped and asked again.
    pub(crate) async fn next(&mut self) -> Result<Value, String> {
        match self.reports.recv().await {
            Some(report) => report,
            // Said once, and then never again.
            None => std::future::pending().await,
        }
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) {
        drop(self.orders.take());
        let _ = self.process.kill().await;
    }
}

/// What a process says on its standard error, as far as a report shows it. The rest is read as
/// well, so that nobody waits for room.
async fn last_words(errors: Option<ChildStderr>) -> String {
    let Some(mut errors) = errors else { return String::new() };
    let mut said = Vec::new();
    // It is only for people; nothing depends on it.
    let _ = (&mut errors).take(ERRORS).read_to_end(&mut said).await;
    let _ = tokio::io::copy(&mut errors, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&said).into_owned()
}
