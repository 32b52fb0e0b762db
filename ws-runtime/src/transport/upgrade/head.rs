//! The upgrade as bytes, for whoever serves a stream without an HTTP server.

use super::Upgrade;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, uri::PathAndQuery};
use httparse::{Header, Status};
use std::mem::MaybeUninit;

/// Header lines that hyper takes by default: what it refuses is not read here either.
const LINES: usize = 100;

/// The head of a request, whoever has read it.
pub(crate) struct Head<'a, L: ?Sized> {
    pub(super) is_get: bool,
    pub(super) version: Version,
    pub(super) query: Option<&'a str>,
    pub(super) lines: &'a L,
}

/// Header lines, whoever has read them.
pub(crate) trait Lines {
    /// The values of one header, in their order.
    fn all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]>;
}

impl<'a> Head<'a, HeaderMap> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            is_get: request.method() == Method::GET,
            version: request.version(),
            query: request.uri().query(),
            lines: request.headers(),
        }
    }
}

impl Lines for HeaderMap {
    fn all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

impl Lines for [Header<'_>] {
    fn all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.iter().filter(|line| line.name.eq_ignore_ascii_case(name.as_str()));
        lines.map(|line| line.value)
    }
}

/// Reads the head that these bytes begin with, in no memory of its own, and asks what to make of
/// it: its path and how many bytes it takes are told, too. `None` where some of it is missing, and
/// where an HTTP server has to say what it is. What it asks for is not judged.
pub(crate) fn read_head<T>(
    bytes: &[u8],
    make: impl FnOnce(&Head<'_, [Header<'_>]>, &str, usize) -> Option<T>,
) -> Option<T> {
    let mut lines = [const { MaybeUninit::uninit() }; LINES];
    let mut read = httparse::Request::new(&mut []);
    let parsed = read.parse_with_uninit_headers(bytes, &mut lines);
    let Ok(Status::Complete(size)) = parsed else { return None };
    let version = if read.version? == 1 { Version::HTTP_11 } else { Version::HTTP_10 };
    let path = read.path.filter(|path| path.starts_with('/'))?;
    let target = PathAndQuery::try_from(path).ok()?;
    let (is_get, query) = (read.method? == "GET", target.query());
    make(&Head { is_get, version, query, lines: read.headers }, target.path(), size)
}

impl<S> Upgrade<S> {
    /// What [`Upgrade::response`] says, as it is written.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let lines: [&[u8]; 5] = [
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-accept: ",
            self.accept.as_bytes(),
            b"\r\nsec-websocket-protocol: ",
            self.format.subprotocol().as_bytes(),
            b"\r\n\r\n",
        ];
        lines.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::upgrade::{UpgradePolicy, agree, only};
    use http::Response;
    use httparse::EMPTY_HEADER;

    const REQUEST: &str = "GET /ws?x=1 HTTP/1.1\r\nHost: lab\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wsp1.json\r\n";

    const REASON: &str = "Switching Protocols";

    /// The path and the query of a head, and its bytes.
    fn read(bytes: &[u8]) -> Option<(String, Option<String>, usize)> {
        read_head(bytes, |head, path, size| {
            Some((path.to_owned(), head.query.map(str::to_owned), size))
        })
    }

    #[test]
    fn a_head_is_read_when_all_of_it_is_there() {
        let whole = format!("{REQUEST}\r\n");
        for missing in 1..=whole.len() {
            assert_eq!(read(&whole.as_bytes()[..whole.len() - missing]), None);
        }
        let expected = ("/ws".to_owned(), Some("x=1".to_owned()), whole.len());
        assert_eq!(read(format!("{whole}more").as_bytes()), Some(expected));
    }

    #[test]
    fn what_an_http_server_has_to_judge_is_left_to_it() {
        let many = "X-One: more\r\n".repeat(LINES - 5);
        let requests = [
            format!("{REQUEST}{many}\r\n"),
            format!("{REQUEST}no colon\r\n\r\n"),
            format!("{}\r\n", REQUEST.replace("/ws?x=1", "/\u{7f}")),
            format!("{}\r\n", REQUEST.replace("/ws?x=1", "http://lab/ws?x=1")),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        ];
        for request in requests {
            assert_eq!(read(request.as_bytes()), None, "{request}");
        }
        let lines = format!("{REQUEST}{}\r\n", "X-One: more\r\n".repeat(LINES - 6));
        assert!(read(lines.as_bytes()).is_some());
    }

    #[test]
    fn lines_are_the_same_in_both_forms() {
        let mut map = HeaderMap::new();
        let lines = [("Host", "a"), ("x-one", "1"), ("X-One", "2"), ("X-Two", "3")]
            .map(|(name, value)| Header { name, value: value.as_bytes() });
        for Header { name, value } in lines {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        for name in ["host", "x-one", "x-two", "x-three"] {
            let name = HeaderName::from_static(name);
            let read: Vec<_> = lines[..].all(&name).collect();
            assert_eq!(read, map.all(&name).collect::<Vec<_>>(), "{name}");
        }
    }

    #[test]
    fn the_answer_as_bytes_is_the_response() {
        let request = format!("{REQUEST}\r\n");
        let policy = UpgradePolicy::default();
        let agreed = read_head(request.as_bytes(), |head, _, _| agree(head, &policy).ok());
        let upgrade = agreed.unwrap();
        let written = upgrade.answer();
        let mut lines = [EMPTY_HEADER; LINES];
        let mut read = httparse::Response::new(&mut lines);
        assert_eq!(read.parse(&written), Ok(Status::Complete(written.len())));
        assert_eq!((read.version, read.code, read.reason), (Some(1), Some(101), Some(REASON)));
        let response: Response<()> = upgrade.response();
        assert_eq!(response.headers().len(), read.headers.len());
        for (name, value) in response.headers() {
            assert_eq!(only(&*read.headers, name), Some(value.as_bytes()), "{name}");
        }
    }
}
