//! A client in another language, written from `docs/protocol.md` alone, against the chat's server
//! and beside a typed client, in both formats.

use chat::{
    protocol::{Chat, Join, Message, Post, Room, RoomEvent},
    server, web,
};
use std::{
    env,
    error::Error,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};
use tokio::{net::TcpListener, process::Command, sync::oneshot};
use ws_proto::delivery;
use ws_runtime::{Client, ServerConfig, client::Subscription};

/// A name that has to be escaped in an address.
const ROOM: &str = "étage 1/2";
const GRACE: Duration = Duration::from_secs(60);
/// What the script expects of the other one in the room: lines before it comes, and replies.
const BEFORE: usize = 5;
const REPLIES: usize = 8;
const STEPS: usize = 8;

type Listening = Subscription<RoomEvent, delivery::AtLeastOnce>;
type Failure = Box<dyn Error + Send + Sync>;
type Tested = Result<(), Failure>;

#[tokio::test]
async fn a_python_client_speaks_json() -> Tested {
    goes_through_everything("json").await
}

#[tokio::test]
async fn a_python_client_speaks_message_pack() -> Tested {
    goes_through_everything("msgpack").await
}

async fn goes_through_everything(format: &str) -> Tested {
    let python = interpreter().ok_or(
        "no Python with the libraries of this client: run `cargo xtask test`, it makes one",
    )?;
    let (address, stop) = serve().await?;
    let url = format!("ws://{address}/ws");
    let (client, events) = neighbour(&url).await?;
    // Beside the script, because a script that fails early leaves it waiting.
    let heard = tokio::spawn(answer(client.clone(), events));
    let output = run(&python, &url, format).await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{complaint}");
    assert_eq!(said.lines().count(), STEPS, "{said}");
    assert_eq!(heard.await??, ["knock", "bye"]);
    client.close().await;
    drop(stop);
    Ok(())
}

/// The interpreter that `cargo xtask test` names, or the one that it left behind.
fn interpreter() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::var_os("WS_PROTO_PYTHON")
        .map(PathBuf::from)
        .or_else(|| Some(workspace.join("target/venv/bin/python")))
        .filter(|python| python.exists())
}

/// A server that asks for life often, so that the client meets `$ping`. It stops with the sender.
async fn serve() -> Result<(SocketAddr, oneshot::Sender<()>), Failure> {
    let heartbeat_interval = Duration::from_millis(100);
    let server = server(ServerConfig { heartbeat_interval, ..ServerConfig::default() }, GRACE)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(web::serve(listener, server, async move {
        let _ = stopped.await;
    }));
    Ok((address, stop))
}

/// Somebody who speaks in the room first, and then listens.
async fn neighbour(url: &str) -> Result<(Client<Chat>, Listening), Failure> {
    let token = || std::future::ready("ann".to_owned());
    let client = Client::<Chat>::builder(url).token(token).connect().await?;
    client.call(Join { room: ROOM.to_owned() }).await?;
    for number in 0..BEFORE {
        post(&client, format!("line {number}")).await?;
    }
    let events = client.subscribe(Room { name: ROOM.to_owned() }).await?;
    Ok((client, events))
}

/// Answers the first words of the script. Returns what the script said, up to its last words.
async fn answer(client: Client<Chat>, mut events: Listening) -> Result<Vec<String>, Failure> {
    let mut heard = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(RoomEvent::Said(Message { by, text, .. })) if by == "python" => heard.push(text),
            Ok(_) => continue,
            Err(gap) => return Err(format!("the typed client missed something: {gap:?}").into()),
        }
        match heard.last().map(String::as_str) {
            Some("knock") => {
                for number in 0..REPLIES {
                    post(&client, format!("reply {number}")).await?;
                }
            }
            _ => break,
        }
    }
    Ok(heard)
}

async fn post(client: &Client<Chat>, text: String) -> Tested {
    client.call(Post { room: ROOM.to_owned(), text }).await?;
    Ok(())
}

async fn run(python: &Path, url: &str, format: &str) -> Result<Output, Failure> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign_client.py");
    let run = Command::new(python).arg(script).args([url, format, ROOM]).output();
    Ok(run.await?)
}
