//! The whole chat over real sockets: `cargo test -p chat --test end_to_end`

use chat::{
    protocol::{Chat, Join, Post, Room, RoomEvent},
    server, web,
};
use std::{future, net::SocketAddr, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
    sync::oneshot,
    task::JoinHandle,
};
use ws_proto::{CloseCode, Format, Position, delivery};
use ws_runtime::{
    Client, ConnState, ServerConfig,
    client::{Backoff, ConnectError, Subscription},
};

/// A running server; `stop` drains it.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

async fn start() -> Running {
    let server = server(ServerConfig::default(), Duration::from_secs(20)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let stopped = async move { drop(stopped.await) };
    let serving = tokio::spawn(web::serve(listener, server, stopped));
    Running { address, stop, serving }
}

/// In the lobby, listening.
async fn talker(
    address: SocketAddr,
    name: &'static str,
    format: Format,
) -> (Client<Chat>, Subscription<RoomEvent, delivery::AtLeastOnce>) {
    let mut backoff = Backoff::default();
    backoff.max_attempts = 0;
    let client = Client::<Chat>::builder(format!("ws://{address}/ws"))
        .token(move || future::ready(name.to_owned()))
        .format(format)
        .reconnect(backoff)
        .connect()
        .await
        .unwrap();
    let joined = client.call(Join { room: "lobby".to_owned() }).await.unwrap();
    let since = Position { epoch: joined.epoch, off: joined.off };
    let channel = Room { name: "lobby".to_owned() };
    let events = client.subscribe_since(channel, Some(since)).await.unwrap();
    (client, events)
}

/// The next thing that somebody says.
async fn heard(events: &mut Subscription<RoomEvent, delivery::AtLeastOnce>) -> (String, String) {
    loop {
        if let RoomEvent::Said(said) = events.next().await.unwrap().unwrap() {
            return (said.by, said.text);
        }
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn two_formats_talk_in_one_room() {
    let running = start().await;
    let (ann, mut for_ann) = talker(running.address, "ann", Format::Json).await;
    let (bob, mut for_bob) = talker(running.address, "bob", Format::MessagePack).await;
    let post = |text: &str| Post { room: "lobby".to_owned(), text: text.to_owned() };
    let first = ann.call(post("hello bob")).await.unwrap();
    let second = bob.call(post("hello ann")).await.unwrap();
    assert!(first.number < second.number);
    for events in [&mut for_ann, &mut for_bob] {
        assert_eq!(heard(events).await, ("ann".to_owned(), "hello bob".to_owned()));
        assert_eq!(heard(events).await, ("bob".to_owned(), "hello ann".to_owned()));
    }
}

#[tokio::test]
async fn a_drain_tells_every_client_when_to_come_back() {
    let running = start().await;
    let (ann, _events) = talker(running.address, "ann", Format::Json).await;
    let mut state = ann.state();
    running.stop.send(()).unwrap();
    let closed = state.wait_for(|state| matches!(state, ConnState::Closed(_))).await.unwrap();
    let ConnState::Closed(Some(error)) = closed.clone() else { panic!("not told why") };
    let (ConnectError::Closed(_) | ConnectError::GaveUp { .. }) = &error else { panic!("{error}") };
    assert!(error.to_string().contains(&CloseCode::DRAINING.to_string()), "{error}");
    drop(closed);
    running.serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn the_page_and_the_health_are_served() {
    let running = start().await;
    let health = get(running.address, "/healthz").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"), "{health}");
    let page = get(running.address, "/").await;
    assert!(page.contains("content-type: text/html") && page.contains("<title>Chat</title>"));
    assert!(page.contains("content-security-policy: default-src 'none'"));
    let files = page
        .split(['"', ' '])
        .filter(|word| [".js", ".css", ".svg"].iter().any(|end| word.ends_with(end)));
    for file in files {
        let answer = get(running.address, &format!("/{file}")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{file}");
    }
    assert!(get(running.address, "/nothing").await.starts_with("HTTP/1.1 404"));
    let no_upgrade = get(running.address, "/ws").await;
    assert!(no_upgrade.starts_with("HTTP/1.1 426"), "{no_upgrade}");
}

/// A terminal client, and what it prints.
struct Terminal {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Terminal {
    fn start(address: SocketAddr, name: &str, format: &str) -> Self {
        let url = format!("ws://{address}/ws");
        let mut child = Command::new(env!("CARGO_BIN_EXE_chat"))
            .args(["client", "--name", name, "--url", &url, "--format", format])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn sees(&mut self, wanted: &str) {
        let mut seen = Vec::new();
        let looking = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line == wanted {
                    return true;
                }
                seen.push(line);
            }
            false
        };
        // A line that never comes would hold up everything.
        let found = tokio::time::timeout(Duration::from_secs(60), looking).await;
        assert_eq!(found, Ok(true), "no `{wanted}` but {seen:?}");
    }

    async fn types(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn two_terminals_talk_and_end_with_their_input() {
    let running = start().await;
    let mut ann = Terminal::start(running.address, "ann", "json");
    ann.sees("* you are in lobby, with ann").await;
    let mut bob = Terminal::start(running.address, "bob", "msgpack");
    bob.sees("* you are in lobby, with ann, bob").await;
    ann.sees("* bob came in").await;
    ann.types("hello \u{1b}[2Jbob").await;
    bob.sees("ann: hello  [2Jbob").await;
    bob.types("/join attic").await;
    bob.sees("* you are in attic, with bob").await;
    ann.sees("* bob left").await;
    bob.types("/rooms").await;
    bob.sees("* attic (1 here)").await;
    bob.types("/topic tea").await;
    bob.sees("* bob: this is about tea").await;
    ann.types("/join attic").await;
    ann.sees("* it is about tea").await;
    bob.types("/dance").await;
    bob.sees("! the commands are /join <room>, /topic <text>, /rooms and /quit").await;
    bob.types("/quit").await;
    assert!(bob.child.wait().await.unwrap().success());
    drop(ann.child.stdin.take());
    assert!(ann.child.wait().await.unwrap().success());
}
