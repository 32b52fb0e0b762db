//! What the client offers: formats, and a token that has no other place in a browser.

use super::{Lines, Refusal, ascii};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use ws_proto::{Format, Secret};

pub(super) struct Offer {
    pub(super) format: Format,
    pub(super) bearer: Option<Secret>,
}

/// Reads `Sec-WebSocket-Protocol`; the first common format in the client's order wins.
pub(super) fn read(lines: &(impl Lines + ?Sized), spoken: &[Format]) -> Result<Offer, Refusal> {
    let (mut format, mut bearer) = (None, None);
    for value in lines.all(&header::SEC_WEBSOCKET_PROTOCOL) {
        let names = ascii(value).ok_or(NO_FORMAT)?;
        for name in names.split(',').map(str::trim) {
            if let Some(token) = name.strip_prefix("wsp.bearer.") {
                if bearer.is_some() {
                    return Err(BEARER);
                }
                let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| BEARER)?;
                bearer = Some(Secret::new(String::from_utf8(token).map_err(|_| BEARER)?));
            } else if format.is_none() {
                format = Format::from_subprotocol(name).filter(|name| spoken.contains(name));
            }
        }
    }
    Ok(Offer { format: format.ok_or(NO_FORMAT)?, bearer })
}

/// The value of a query parameter, percent-decoded; the first if there are several.
pub(crate) fn query_token(query: &str, name: &str) -> Option<Secret> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Secret::new)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

const NO_FORMAT: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "No format in common: offer the WebSocket sub-protocol `wsp1.json` or `wsp1.msgpack`.",
);
const BEARER: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "Offer at most one `wsp.bearer.<token>`, the token in base64url without padding.",
);
