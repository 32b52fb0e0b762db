//! Asking a server for a connection (`docs/protocol.md`, section 1).

use super::{
    Transport,
    tungstenite::{WebSocket, config},
    wire::Wire,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use std::{fmt, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{
        self, client::IntoClientRequest, error::ProtocolError, handshake::client::Request,
    },
};
use ws_proto::{Format, Limits, Secret};

/// Where to connect, and what to say at the door.
#[derive(Clone)]
pub struct Target {
    /// `ws://host[:port][/path][?query]`. It must hold no user name. The query may hold a token, so
    /// `Debug` leaves it out.
    pub url: String,
    /// What to offer, the preferred first. Default: both, JSON first. At least one.
    pub formats: Vec<Format>,
    /// The bounds of the connection.
    pub limits: Limits,
    /// A token to offer as `wsp.bearer.<base64url>`, for servers that decide before the upgrade.
    pub bearer: Option<Secret>,
    /// The `Authorization` header.
    pub authorization: Option<Secret>,
    /// The `Cookie` header.
    pub cookie: Option<Secret>,
    /// The `Origin` header; native clients send none.
    pub origin: Option<String>,
}

impl Target {
    /// A target with every default.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            formats: Format::ALL.to_vec(),
            limits: Limits::default(),
            bearer: None,
            authorization: None,
            cookie: None,
            origin: None,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split_once('?').map_or(self.url.as_str(), |(shown, _)| shown);
        f.debug_struct("Target")
            .field("url", &url)
            .field("formats", &self.formats)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The target makes no sense; the sentence says what to change. Trying again cannot help.
    #[error("the target is not usable: {0}")]
    Target(String),
    /// `wss://`: this build cannot encrypt. Trying again cannot help.
    #[error("TLS is not built in yet: use a `ws://` address, or put the TLS end in front of it")]
    NoTls,
    /// Nobody answers at this address.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The server answered, but not with an upgrade. Redirects are not followed.
    #[error("the server refused the connection with HTTP {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The first line of what it said, at most 256 characters, without control characters.
        message: String,
        /// Its `Retry-After` in seconds, as it came: bound it before waiting.
        retry_after: Option<Duration>,
    },
    /// The answer is not one of this protocol.
    #[error("the server does not speak this protocol: {0}")]
    Protocol(String),
}

/// Connects, upgrades, and agrees on a format.
///
/// It has no deadline of its own: the caller drops the future.
///
/// # Errors
///
/// See [`ConnectError`].
pub async fn connect(target: &Target) -> Result<Box<dyn Transport>, ConnectError> {
    let (host, port) = address(&target.url)?;
    let request = request(target)?;
    let unreachable = |error: std::io::Error| ConnectError::Unreachable(error.to_string());
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let wire = Wire::new(stream, &target.limits);
    let (frames, response) = client_async_with_config(request, wire, Some(config(&target.limits)))
        .await
        .map_err(|error| refused(&error))?;
    let format = agreed(response.headers())
        .filter(|format| target.formats.contains(format))
        .ok_or_else(|| ConnectError::Protocol("it chose none of the offered formats".into()))?;
    Ok(Box::new(WebSocket::upgraded(frames, format)))
}

fn address(url: &str) -> Result<(String, u16), ConnectError> {
    let target = |why: &str| ConnectError::Target(why.to_owned());
    let uri: Uri = url.parse().map_err(|_| target("it is not a URL"))?;
    match uri.scheme_str() {
        Some("ws") => {}
        Some("wss") => return Err(ConnectError::NoTls),
        _ => return Err(target("the URL must begin with `ws://`")),
    }
    let authority = uri.authority().ok_or_else(|| target("the URL names no host"))?;
    if authority.as_str().contains('@') {
        return Err(target("a user name in the URL would show in logs: use `authorization`"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), authority.port_u16().unwrap_or(80)))
}

fn request(target: &Target) -> Result<Request, ConnectError> {
    if target.formats.is_empty() {
        return Err(ConnectError::Target("`formats` is empty: offer at least one".into()));
    }
    let mut request = target
        .url
        .as_str()
        .into_client_request()
        .map_err(|error| ConnectError::Target(error.to_string()))?;
    let mut offer: Vec<String> =
        target.formats.iter().map(|format| format.subprotocol().to_owned()).collect();
    if let Some(token) = &target.bearer {
        offer.push(format!("wsp.bearer.{}", URL_SAFE_NO_PAD.encode(token.expose())));
    }
    let headers = request.headers_mut();
    add(headers, header::SEC_WEBSOCKET_PROTOCOL, Some(&offer.join(", ")))?;
    add(headers, header::AUTHORIZATION, target.authorization.as_ref().map(Secret::expose))?;
    add(headers, header::COOKIE, target.cookie.as_ref().map(Secret::expose))?;
    add(headers, header::ORIGIN, target.origin.as_deref())?;
    Ok(request)
}

fn add(headers: &mut HeaderMap, name: HeaderName, text: Option<&str>) -> Result<(), ConnectError> {
    let Some(text) = text else { return Ok(()) };
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| ConnectError::Target(format!("the `{name}` header cannot hold this text")))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

fn agreed(headers: &HeaderMap) -> Option<Format> {
    let mut chosen = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let format = Format::from_subprotocol(chosen.next()?.to_str().ok()?)?;
    chosen.next().is_none().then_some(format)
}

fn refused(error: &tungstenite::Error) -> ConnectError {
    let tungstenite::Error::Http(response) = error else {
        return match error {
            tungstenite::Error::Io(error) => ConnectError::Unreachable(error.to_string()),
            // The connection was lost before the answer was whole.
            tungstenite::Error::Protocol(cut @ ProtocolError::HandshakeIncomplete) => {
                ConnectError::Unreachable(cut.to_string())
            }
            // The answer came in very small pieces, as bad networks deliver it: the next
            // attempt may fare better, and the backoff bounds what a hostile server gains.
            tungstenite::Error::AttackAttempt => {
                ConnectError::Unreachable("the answer to the upgrade came too slowly".into())
            }
            other => ConnectError::Protocol(other.to_string()),
        };
    };
    let body = response.body().as_deref().unwrap_or_default();
    // The body is cut before it is decoded: it is as long as the server likes.
    let text = String::from_utf8_lossy(&body[..body.len().min(1024)]);
    let line = text.lines().next().unwrap_or_default();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    ConnectError::Refused {
        status: response.status().as_u16(),
        message: line.chars().filter(|letter| !letter.is_control()).take(256).collect(),
        retry_after: retry_after
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_very_small_pieces_is_the_networks_fault() {
        let error = refused(&tungstenite::Error::AttackAttempt);
        assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
    }
}
