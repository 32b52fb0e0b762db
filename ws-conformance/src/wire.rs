//! Connections of the runner: WebSockets whose messages are written by hand.

use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{
        Message, Utf8Bytes,
        client::IntoClientRequest,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderName, HeaderValue, Uri, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use ws_proto::Format;

/// How long a connection and its upgrade may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One WebSocket connection.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: WebSocketStream<TcpStream>,
}

/// What came from the subject.
#[derive(Debug)]
pub(crate) enum Came {
    /// A message; whether it was a text.
    Message(bytes::Bytes, bool),
    /// The end, and the code that was said.
    Closed(Option<u16>),
}

impl Wire {
    /// Connects to a server that is judged.
    pub(crate) async fn connect(url: &str, format: Format) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("no connection to {url}: {error}");
        let mut request = url.into_client_request().map_err(|error| failed(&error))?;
        let offer = HeaderValue::from_static(format.subprotocol());
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, offer);
        let made = async {
            let stream = dial(url).await?;
            client_async(request, stream).await.map_err(|error| failed(&error))
        };
        let (socket, response) = within(made).await?;
        let chosen = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
        if chosen.and_then(|it| it.to_str().ok()) != Some(format.subprotocol()) {
            return Err(format!("the server echoed {chosen:?} for `{}`", format.subprotocol()));
        }
        Ok(Self { socket })
    }

    /// Takes the next connection of a client that is judged.
    #[expect(clippy::result_large_err, reason = "the callback is that of tungstenite")]
    pub(crate) async fn accept(listener: &TcpListener, format: Format) -> Result<Self, String> {
        let made = async {
            let (stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            accept_hdr_async(stream, |request: &Request, response| {
                chosen(request, response, format)
            })
            .await
            .map_err(|error| format!("the upgrade failed: {error}"))
        };
        within(made).await.map(|socket| Self { socket })
    }

    /// Sends one message of the agreed kind. What cannot be sent shows in what is received.
    pub(crate) async fn send(&mut self, format: Format, message: Vec<u8>) {
        let message = match format {
            Format::Json => Message::Text(text(message)),
            Format::MessagePack => Message::Binary(message.into()),
        };
        let _ = self.socket.send(message).await;
    }

    /// Sends one message of the other kind.
    pub(crate) async fn send_other_kind(&mut self, format: Format) {
        let message = match format {
            Format::Json => Message::Binary(b"{}".as_slice().into()),
            Format::MessagePack => Message::Text("{}".into()),
        };
        let _ = self.socket.send(message).await;
    }

    /// Begins the closing handshake.
    pub(crate) async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::default() };
        let _ = self.socket.close(Some(frame)).await;
    }

    /// What comes next. It may be dropped and asked again.
    pub(crate) async fn next(&mut self) -> Came {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Came::Message(text.into(), true),
                Some(Ok(Message::Binary(bytes))) => return Came::Message(bytes, false),
                Some(Ok(Message::Close(frame))) => {
                    // The answer of the closing handshake.
                    let _ = self.socket.flush().await;
                    return Came::Closed(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Came::Closed(None),
            }
        }
    }
}

/// The status of the answer to an upgrade with these headers; a value `-` leaves one out.
pub(crate) async fn status(url: &str, changes: &[(String, String)]) -> Result<u16, String> {
    let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut headers = vec![
        ("Host".to_owned(), host.to_owned()),
        ("Upgrade".to_owned(), "websocket".to_owned()),
        ("Connection".to_owned(), "Upgrade".to_owned()),
        ("Sec-WebSocket-Version".to_owned(), "13".to_owned()),
        ("Sec-WebSocket-Key".to_owned(), "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
        ("Sec-WebSocket-Protocol".to_owned(), "wsp1.json".to_owned()),
    ];
    for (name, value) in changes {
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        if HeaderName::try_from(name).is_err() {
            return Err(format!("`{name}` is no header"));
        }
        if value != "-" {
            headers.push((name.clone(), value.clone()));
        }
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let head: String =
        headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    let asked = async {
        let mut stream = dial(url).await?;
        let failed = |error: std::io::Error| error.to_string();
        let request = format!("GET {path} HTTP/1.1\r\n{head}\r\n");
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.map_err(failed)?;
        let status = String::from_utf8_lossy(&line[9..]).parse();
        status.map_err(|_| "the answer is no HTTP".to_owned())
    };
    within(asked).await
}

async fn dial(url: &str) -> Result<TcpStream, String> {
    let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
    let host = uri.host().ok_or_else(|| format!("`{url}` names no host"))?;
    if uri.scheme_str() != Some("ws") {
        return Err(format!("`{url}`: the runner speaks `ws://`; put the TLS end in front of it"));
    }
    let address = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| format!("no connection to {url}: {error}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

async fn within<T>(made: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || format!("no connection within {} s", PATIENCE.as_secs());
    tokio::time::timeout(PATIENCE, made).await.unwrap_or_else(|_| Err(late()))
}

#[expect(clippy::result_large_err, reason = "the signature is that of tungstenite's callback")]
fn chosen(
    request: &Request,
    mut response: Response,
    format: Format,
) -> Result<Response, ErrorResponse> {
    let offers = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let is_offered = offers
        .filter_map(|offer| offer.to_str().ok())
        .flat_map(|offer| offer.split(','))
        .any(|offer| offer.trim() == format.subprotocol());
    if !is_offered {
        let mut refusal = ErrorResponse::new(Some(format!("offer `{}`", format.subprotocol())));
        *refusal.status_mut() = tokio_tungstenite::tungstenite::http::StatusCode::BAD_REQUEST;
        return Err(refusal);
    }
    let echo = HeaderValue::from_static(format.subprotocol());
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, echo);
    Ok(response)
}

/// Bytes that are no UTF-8 are not what a case writes.
fn text(message: Vec<u8>) -> Utf8Bytes {
    String::from_utf8(message).unwrap_or_default().into()
}
