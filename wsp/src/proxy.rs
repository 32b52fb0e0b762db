//! `wsp proxy`: stands between a client and a server, and prints what passes.

use crate::{
    conformance::block_on,
    documents::{self, Failure},
};
use bytes::Bytes;
use clap::Args;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    accept_hdr_async, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        handshake::server::{ErrorResponse, Request, Response},
        http::{
            HeaderMap, HeaderName, StatusCode,
            header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL},
        },
    },
};
use ws_proto::{Envelope, Format, frame::SECRET_FIELDS};

/// What the server is shown of the client's own request. An origin is that of a page that the
/// proxy is not.
const PASSED_ON: [HeaderName; 2] = [AUTHORIZATION, COOKIE];
/// Requests without an answer whose time is measured.
const MAX_ASKED: usize = 4096;
/// How long the second half of a closing handshake may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Stand between clients and a server, and print each frame: one JSON object on each line.
#[derive(Debug, Args)]
pub(crate) struct Proxy {
    /// Where to listen: `127.0.0.1:9100`.
    listen: String,
    /// The server: `ws://host:port/path`.
    url: String,
    /// Hide the value of this field, wherever it stands. `token` and `ticket` are always hidden.
    #[arg(long, value_name = "FIELD")]
    redact: Vec<String>,
}

impl Proxy {
    /// Runs until it is stopped.
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        block_on(self.serve())?
    }

    async fn serve(&self) -> Result<u8, Failure> {
        let failed =
            |error: io::Error| Failure::Live(format!("cannot listen on {}: {error}", self.listen));
        let listener = TcpListener::bind(&self.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        print(&json!({ "listening": format!("ws://{address}/") }))?;
        let hidden =
            SECRET_FIELDS.into_iter().map(str::to_owned).chain(self.redact.iter().cloned());
        let hidden: Arc<[String]> = hidden.collect();
        let mut n = 0_u64;
        loop {
            let (stream, _) = listener.accept().await.map_err(failed)?;
            n += 1;
            let (url, hidden) = (self.url.clone(), Arc::clone(&hidden));
            tokio::spawn(async move {
                if let Err(reason) = carry(n, stream, &url, hidden).await {
                    eprintln!("wsp: connection {n}: {reason}");
                }
            });
        }
    }
}

/// What was said over one connection.
struct Log {
    n: u64,
    format: Format,
    hidden: Arc<[String]>,
    began: Instant,
    /// By `id`: who sent what, and when.
    asked: HashMap<String, (String, String, Instant)>,
    is_over: bool,
}

impl Log {
    fn frame(&mut self, from: &str, message: &Bytes) -> Result<(), Failure> {
        let mut line = json!({ "n": self.n, "ms": millis(self.began) });
        match read(self.format, message) {
            Some(mut frame) => {
                self.pair(from, &frame, &mut line);
                hide(&mut frame, &self.hidden);
                line[from] = frame;
            }
            // No frame of the protocol: its text could hold anything.
            None => line[from] = json!({ "undecodable": message.len() }),
        }
        print(&line)
    }

    /// Says what a frame answers, and after how long.
    fn pair(&mut self, from: &str, frame: &Value, line: &mut Value) {
        let text = |key: &str| frame.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = text("type").unwrap_or_default();
        let Some(re) = text("re") else {
            let id = text("id").filter(|_| frame.get("seq").is_some());
            if let Some(id) = id.filter(|_| self.asked.len() < MAX_ASKED) {
                self.asked.insert(id, (from.to_owned(), kind, Instant::now()));
            }
            return;
        };
        // Parts and credit of the one who asked name the request, too.
        let Some((_, asked, since)) = self.asked.get(&re).filter(|it| it.0 != from) else { return };
        if kind == "$credit" {
            return;
        }
        line["answers"] = json!({ "type": asked, "after_ms": millis(*since) });
        if [".ok", ".err"].iter().any(|end| kind.ends_with(end)) || kind.starts_with('$') {
            self.asked.remove(&re);
        }
    }

    fn end(&mut self, from: &str, code: Option<u16>) -> Result<(), Failure> {
        if self.is_over {
            return Ok(());
        }
        self.is_over = true;
        print(&json!({ "n": self.n, "ms": millis(self.began), "closed_by": from, "code": code }))
    }
}

/// Carries one connection to its end.
async fn carry(n: u64, stream: TcpStream, url: &str, hidden: Arc<[String]>) -> Result<(), String> {
    let said = |error: Error| error.to_string();
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut chosen = None;
    let down = accept(stream, &mut chosen).await.map_err(said)?;
    let (format, headers) = chosen.ok_or("no format was offered")?;
    let mut request = url.into_client_request().map_err(said)?;
    request.headers_mut().extend(headers);
    let (up, _) = connect_async(request).await.map_err(|error| format!("{url}: {error}"))?;
    let (began, asked) = (Instant::now(), HashMap::new());
    let log = Mutex::new(Log { n, format, hidden, began, asked, is_over: false });
    let (down_sink, down) = down.split();
    let (up_sink, up) = up.split();
    let client = way("C", down, up_sink, &log);
    let server = way("S", up, down_sink, &log);
    tokio::pin!(client, server);
    // Each direction waits for itself alone, so that two full sockets do not wait for each other.
    tokio::select! {
        ended = &mut client => {
            let _ = timeout(GOODBYE, server).await;
            ended
        }
        ended = &mut server => {
            let _ = timeout(GOODBYE, client).await;
            ended
        }
    }
    .map_err(|failure| failure.to_string())
}

#[expect(clippy::result_large_err, reason = "the callback is that of tungstenite")]
async fn accept(
    stream: TcpStream,
    chosen: &mut Option<(Format, HeaderMap)>,
) -> Result<tokio_tungstenite::WebSocketStream<TcpStream>, Error> {
    accept_hdr_async(stream, |request: &Request, mut response: Response| {
        let Some(format) = offered(request.headers()) else {
            let mut refusal = ErrorResponse::new(Some("no known sub-protocol".to_owned()));
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            return Err(refusal);
        };
        let echo = format.subprotocol().parse();
        response.headers_mut().extend(echo.ok().map(|echo| (SEC_WEBSOCKET_PROTOCOL, echo)));
        let passed = PASSED_ON.into_iter().filter_map(|name| {
            let value = request.headers().get(&name)?.clone();
            Some((name, value))
        });
        let mut headers: HeaderMap = passed.collect();
        let offer = format.subprotocol().parse();
        headers.extend(offer.ok().map(|offer| (SEC_WEBSOCKET_PROTOCOL, offer)));
        *chosen = Some((format, headers));
        Ok(response)
    })
    .await
}

/// The first format that a client offers and that is known.
fn offered(headers: &HeaderMap) -> Option<Format> {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    offers
        .filter_map(|offer| offer.to_str().ok())
        .flat_map(|offer| offer.split(','))
        .find_map(|offer| Format::from_subprotocol(offer.trim()))
}

/// One direction, to its end.
async fn way(
    from: &str,
    mut source: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut target: impl Sink<Message, Error = Error> + Unpin,
    log: &Mutex<Log>,
) -> Result<(), Failure> {
    let log = || log.lock().unwrap_or_else(PoisonError::into_inner);
    while let Some(Ok(message)) = source.next().await {
        match &message {
            Message::Text(text) => log().frame(from, &Bytes::from(text.clone()))?,
            Message::Binary(bytes) => log().frame(from, bytes)?,
            Message::Close(close) => {
                log().end(from, close.as_ref().map(|close| close.code.into()))?;
                let _ = target.send(message).await;
                return Ok(());
            }
            // Each side is answered by its own end.
            _ => continue,
        }
        if target.send(message).await.is_err() {
            break;
        }
    }
    log().end(from, None)
}

/// A frame as JSON, whatever it travelled as.
fn read(format: Format, message: &Bytes) -> Option<Value> {
    if format == Format::Json {
        return serde_json::from_slice(message).ok().filter(Value::is_object);
    }
    let envelope = Envelope::decode(format, message).ok()?;
    let mut text = Vec::new();
    envelope.encode(Format::Json, &mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn hide(value: &mut Value, hidden: &[String]) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if hidden.iter().any(|it| it == name) {
                    *value = json!("***");
                } else {
                    hide(value, hidden);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, hidden)),
        _ => {}
    }
}

/// Milliseconds, to the tenth.
fn millis(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 10_000.0).round() / 10.0
}

fn print(line: &Value) -> Result<(), Failure> {
    documents::write(None, &format!("{line}\n"))
}
