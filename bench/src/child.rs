//! A server in a process of its own, pinned to a core, and what it costs.

use crate::{external, servers::Outcome};
use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// The core of the servers.
pub(crate) const SERVER_CORE: u8 = 0;
/// The core of the generator.
pub(crate) const GENERATOR_CORE: u8 = 1;

/// A running server; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server, and waits until it listens.
    pub(crate) fn start(name: &str, core: u8) -> Outcome<Self> {
        if let Some(reason) = external::absence(name) {
            return Err(reason.into());
        }
        match name {
            "nats" => return external::start_nats(core),
            "socket.io" => return external::start_socket_io(core),
            _ => {}
        }
        let program = env::current_exe()?;
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).arg(program).args(["serve", name]);
        Self::spawn(&mut command)
    }

    /// Starts a program that prints its port in its first line.
    pub(crate) fn spawn(command: &mut Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("a server without an output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let port = line.trim().parse();
        // Made first, so that it is killed where it said no port.
        let mut server = Self { child, port: 0 };
        server.port = port.map_err(|_| format!("no port from {command:?}: {line}"))?;
        Ok(server)
    }

    /// A server that runs already.
    pub(crate) fn adopt(child: Child, port: u16) -> Self {
        Self { child, port }
    }

    /// Seconds of CPU that all its threads have used.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            let first = text.split_whitespace().next().unwrap_or_default();
            nanoseconds += first.parse::<u64>()?;
        }
        Ok(nanoseconds as f64 / 1e9)
    }

    /// Bytes of memory that are its own, without mapped files.
    pub(crate) fn memory(&self) -> Outcome<f64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes.ok_or("no RssAnon")?.parse::<f64>()? * 1024.0)
    }
}

/// While this lives, the generator and the servers that it starts are batch processes: one that is
/// woken waits until the core is free. Whether it takes the core from who woke it is else up to
/// what both have used of it before, and with that how often the core changes hands.
#[derive(Debug)]
pub(crate) struct Patient(());

impl Patient {
    pub(crate) fn begin() -> Self {
        policy("--batch");
        Self(())
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        policy("--other");
    }
}

fn policy(name: &str) {
    let id = std::process::id().to_string();
    let changed = Command::new("chrt").args([name, "--pid", "0", &id]).status();
    if !changed.is_ok_and(|status| status.success()) {
        eprintln!("`chrt {name}` failed: what the scheduler does shows in the times");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that ended by itself is no longer there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
