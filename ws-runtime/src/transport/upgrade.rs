//! From an HTTP request to a connection: who may, in which format, with which credentials
//! (`docs/protocol.md`, sections 1 and 11).
//!
//! It works wherever hyper 1 serves HTTP/1.1 with upgrades: bare, under axum 0.8, behind layers.

mod head;
mod offer;
mod origin;

pub(crate) use head::{Head, Lines, read_head};

pub(crate) use offer::query_token;
pub use origin::{Origins, OriginsError};

use super::{Lost, Transport, tungstenite::WebSocket};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::fmt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use ws_proto::{Credentials, Format, Limits, Secret};

/// Which requests become connections.
#[derive(Clone, Debug)]
pub struct UpgradePolicy {
    /// Whose pages may connect. Default: only pages of the same host.
    pub origins: Origins,
    /// Whether a request without `Origin` may connect. Browsers always send one, so this is about
    /// native clients. Default: yes.
    pub allow_missing_origin: bool,
    /// The names that this server answers to, as they stand in `Host` (`chat.example.com`,
    /// `localhost:8080`). Default: empty, which takes every name. A server that trusts its network
    /// lists them: a foreign page can make its own name point to a local address.
    pub hosts: Vec<String>,
    /// What is spoken. The client's order decides. Default: both.
    pub formats: Vec<Format>,
    /// The query parameter that may hold a token. Default: none. A URL shows up in the logs of
    /// every proxy on the way; here it is never shown.
    pub token_parameter: Option<String>,
    /// The bounds of the connection.
    pub limits: Limits,
}

impl Default for UpgradePolicy {
    fn default() -> Self {
        Self {
            origins: Origins::SameHost,
            allow_missing_origin: true,
            hosts: Vec::new(),
            formats: Format::ALL.to_vec(),
            token_parameter: None,
            limits: Limits::default(),
        }
    }
}

/// A request that may become a connection. `S` is where its stream comes from: hyper, as a rule.
#[must_use = "answer the request with `response` and await `transport`"]
pub struct Upgrade<S = OnUpgrade> {
    /// What the client showed before the connection. `token`, `remote`, `client` and `version` are
    /// not known here. A token in the query stands in `bearer`.
    pub credentials: Credentials,
    /// The format that both sides speak.
    pub format: Format,
    accept: HeaderValue,
    stream: S,
    limits: Limits,
}

impl<S> Upgrade<S> {
    /// The answer to the request: 101 with an empty body.
    #[must_use]
    pub fn response<B: Default>(&self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        let protocol = HeaderValue::from_static(self.format.subprotocol());
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        response
    }
}

impl Upgrade {
    /// The connection, as soon as the answer is written. Await it in a task of its own: hyper
    /// writes the answer after the service returned it.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the client went away in between.
    pub async fn transport(self) -> Result<Box<dyn Transport>, Lost> {
        let upgraded = self.stream.await.map_err(|error| Lost(error.to_string()))?;
        let stream = TokioIo::new(upgraded);
        Ok(Box::new(WebSocket::server(stream, self.format, &self.limits).await))
    }
}

impl Upgrade<()> {
    /// The connection, for whoever has the stream itself: with what was read of it after the
    /// request, and with what is still to be written before the first frame.
    pub(crate) async fn over<S>(self, stream: S, read: &Bytes, unsaid: &[u8]) -> Box<dyn Transport>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Box::new(WebSocket::begun(stream, (read, unsaid), self.format, &self.limits).await)
    }
}

impl<S> fmt::Debug for Upgrade<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("format", &self.format).finish_non_exhaustive()
    }
}

/// An HTTP answer instead of a connection: a status and a sentence that says what to do. It
/// repeats nothing of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// For people.
    pub message: &'static str,
}

impl Refusal {
    /// A refusal with a status and a sentence; for reasons of the server's own, such as too many
    /// connections.
    #[must_use]
    pub const fn new(status: StatusCode, message: &'static str) -> Self {
        Self { status, message }
    }

    /// The plain-text answer to the request.
    #[must_use]
    pub fn response<B: From<String>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(format!("{}\n", self.message)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // What HTTP demands next to the status.
        let demanded: &[_] = match self.status {
            StatusCode::METHOD_NOT_ALLOWED => &[(header::ALLOW, "GET")],
            StatusCode::UPGRADE_REQUIRED => &[
                (header::CONNECTION, "upgrade"),
                (header::UPGRADE, "websocket"),
                (header::SEC_WEBSOCKET_VERSION, "13"),
            ],
            _ => &[],
        };
        for (name, value) in demanded {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Decides whether a request becomes a connection. Nothing is kept of one that does not.
///
/// The extensions of the request must hold hyper's `OnUpgrade`, as they do in a hyper 1 server
/// that serves `with_upgrades` and in axum.
///
/// # Errors
///
/// [`Refusal`] with 405 (not `GET`), 505 (not HTTP/1.1), 426 (not a WebSocket upgrade of version
/// 13), 403 (a foreign origin), 421 (a foreign host), 400 (anything else that is wrong with the
/// request), 500 (the server cannot upgrade).
pub fn upgrade<B>(request: &mut Request<B>, policy: &UpgradePolicy) -> Result<Upgrade, Refusal> {
    let Upgrade { credentials, format, accept, stream: (), limits } =
        agree(&Head::of(request), policy)?;
    let stream = request.extensions_mut().remove::<OnUpgrade>().ok_or(NOT_UPGRADABLE)?;
    Ok(Upgrade { credentials, format, accept, stream, limits })
}

/// The same where the stream is the caller's.
///
/// # Errors
///
/// Those of [`upgrade`] but 500.
pub(crate) fn agree<L: Lines + ?Sized>(
    head: &Head<'_, L>,
    policy: &UpgradePolicy,
) -> Result<Upgrade<()>, Refusal> {
    check_shape(head)?;
    let lines = head.lines;
    let host = only(lines, &header::HOST).and_then(ascii).ok_or(HOST)?;
    if !policy.hosts.is_empty() && !policy.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)) {
        return Err(FOREIGN_HOST);
    }
    origin::check(lines, host, policy)?;
    let accept = accept(lines)?;
    let offer = offer::read(lines, &policy.formats)?;
    let credentials = credentials(head, policy, offer.bearer)?;
    let limits = policy.limits;
    Ok(Upgrade { credentials, format: offer.format, accept, stream: (), limits })
}

fn check_shape<L: Lines + ?Sized>(head: &Head<'_, L>) -> Result<(), Refusal> {
    let lines = head.lines;
    if !head.is_get {
        return Err(METHOD);
    }
    if head.version != Version::HTTP_11 {
        return Err(HTTP_VERSION);
    }
    if !has_word(lines, &header::CONNECTION, "upgrade")
        || !has_word(lines, &header::UPGRADE, "websocket")
    {
        return Err(NOT_WEBSOCKET);
    }
    if only(lines, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != b"13") {
        return Err(WEBSOCKET_VERSION);
    }
    // A body before the frames is how requests are smuggled past a proxy.
    let length = lines.all(&header::CONTENT_LENGTH).any(|length| length != b"0");
    if length || lines.all(&header::TRANSFER_ENCODING).next().is_some() {
        return Err(BODY);
    }
    Ok(())
}

fn accept(lines: &(impl Lines + ?Sized)) -> Result<HeaderValue, Refusal> {
    let key = only(lines, &header::SEC_WEBSOCKET_KEY).ok_or(KEY)?;
    let nonce = STANDARD.decode(key).map_err(|_| KEY)?;
    if nonce.len() != 16 {
        return Err(KEY);
    }
    HeaderValue::try_from(derive_accept_key(key)).map_err(|_| KEY)
}

fn credentials<L: Lines + ?Sized>(
    head: &Head<'_, L>,
    policy: &UpgradePolicy,
    bearer: Option<Secret>,
) -> Result<Credentials, Refusal> {
    let mut credentials = Credentials::default();
    credentials.authorization = text(head.lines, &header::AUTHORIZATION, "")?;
    credentials.cookie = text(head.lines, &header::COOKIE, "; ")?;
    let query = policy.token_parameter.as_deref().zip(head.query);
    credentials.bearer = match query {
        Some((name, query)) => bearer.or_else(|| query_token(query, name)),
        None => bearer,
    };
    Ok(credentials)
}

/// A secret header. Several are joined where that keeps their meaning and refused otherwise.
fn text(
    lines: &(impl Lines + ?Sized),
    name: &HeaderName,
    join: &str,
) -> Result<Option<Secret>, Refusal> {
    let values: Option<Vec<_>> = lines.all(name).map(ascii).collect();
    match values.ok_or(CREDENTIALS)?.as_slice() {
        [] => Ok(None),
        [_, _, ..] if join.is_empty() => Err(CREDENTIALS),
        values => Ok(Some(Secret::new(values.join(join)))),
    }
}

fn only<'a>(lines: &'a (impl Lines + ?Sized), name: &'a HeaderName) -> Option<&'a [u8]> {
    let mut values = lines.all(name);
    values.next().filter(|_| values.next().is_none())
}

fn has_word(lines: &(impl Lines + ?Sized), name: &HeaderName, word: &str) -> bool {
    let mut words = lines.all(name).flat_map(|value| value.split(|byte| *byte == b','));
    words.any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// What a header says, if that is text: no control character gets as far as here.
fn ascii(value: &[u8]) -> Option<&str> {
    str::from_utf8(value).ok().filter(|value| value.is_ascii())
}

const METHOD: Refusal =
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "This address takes WebSocket upgrades: use GET.");
const HTTP_VERSION: Refusal = Refusal::new(
    StatusCode::HTTP_VERSION_NOT_SUPPORTED,
    "WebSocket upgrades need HTTP/1.1: connect without HTTP/2.",
);
const NOT_WEBSOCKET: Refusal = Refusal::new(
    StatusCode::UPGRADE_REQUIRED,
    "This address speaks WebSocket: send `Connection: Upgrade` and `Upgrade: websocket`.",
);
const WEBSOCKET_VERSION: Refusal =
    Refusal::new(StatusCode::UPGRADE_REQUIRED, "Send `Sec-WebSocket-Version: 13`.");
const BODY: Refusal = Refusal::new(StatusCode::BAD_REQUEST, "A WebSocket upgrade has no body.");
const KEY: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "Send one `Sec-WebSocket-Key` that holds 16 bytes in base64.",
);
const HOST: Refusal = Refusal::new(StatusCode::BAD_REQUEST, "Send one `Host` header.");
const FOREIGN_HOST: Refusal = Refusal::new(
    StatusCode::MISDIRECTED_REQUEST,
    "This server does not answer to the name in `Host`: list it in `hosts` to allow it.",
);
const CREDENTIALS: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "Send at most one `Authorization` header, and credentials in ASCII.",
);
const NOT_UPGRADABLE: Refusal = Refusal::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "This server cannot upgrade the connection: serve it `with_upgrades`, and upgrade once.",
);
