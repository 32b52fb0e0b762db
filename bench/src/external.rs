//! Servers that are not ours to build: they are compared where they are installed.

use crate::{child::Server, servers::Outcome};
use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Why a server cannot be run here; `None` where it can.
pub(crate) fn absence(server: &str) -> Option<&'static str> {
    match server {
        "nats" if !works(Command::new(nats()).arg("-v")) => {
            Some("no `nats-server` on the PATH, and none in NATS_SERVER")
        }
        "socket.io" if !works(node().args(["-e", "require('socket.io')"])) => {
            Some("no Socket.IO for node: run `npm install` in bench/node")
        }
        _ => None,
    }
}

/// Starts NATS with WebSockets on a free port.
pub(crate) fn start_nats(core: u8) -> Outcome<Server> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let path = env::temp_dir().join(format!("ws-bench-nats-{port}.conf"));
    fs::write(
        &path,
        format!(
            "listen: \"127.0.0.1:-1\"\n\
             websocket {{ listen: \"127.0.0.1:{port}\", no_tls: true }}\n"
        ),
    )?;
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(nats()).arg("-c").arg(&path);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let server = Server::adopt(child, port);
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if start.elapsed() > Duration::from_secs(5) {
            return Err("nats-server does not listen".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::remove_file(path)?;
    Ok(server)
}

/// Starts Socket.IO on node.
pub(crate) fn start_socket_io(core: u8) -> Outcome<Server> {
    let node = node();
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg("node").arg("server.js");
    command.current_dir(node.get_current_dir().ok_or("no folder for node")?);
    Server::spawn(&mut command)
}

fn nats() -> std::ffi::OsString {
    env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into())
}

fn node() -> Command {
    let mut command = Command::new("node");
    command.current_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("node"));
    command
}

fn works(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
