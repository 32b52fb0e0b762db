//! Whose pages may connect: the defence against cross-site WebSocket hijacking.

use super::{Lines, Refusal, UpgradePolicy, ascii, only};
use http::{StatusCode, header};

/// The origins whose pages may connect. There is no wildcard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the host in the `Host` header, over http or https.
    #[default]
    SameHost,
    /// Pages of exactly these origins; make it with [`Origins::listed`].
    Listed(Listed),
}

impl Origins {
    /// Exactly these origins, as browsers write them: `https://app.example.com`,
    /// `http://localhost:5173`. Scheme, host and port must all be equal; a default port may be
    /// left out.
    ///
    /// ```
    /// use ws_runtime::transport::upgrade::Origins;
    /// assert!(Origins::listed(["https://app.example.com"]).is_ok());
    /// assert!(Origins::listed(["*.example.com"]).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`OriginsError`] names the first text that is not an origin.
    pub fn listed<T: AsRef<str>>(
        origins: impl IntoIterator<Item = T>,
    ) -> Result<Self, OriginsError> {
        let parse = |text: T| {
            Origin::parse(text.as_ref()).ok_or_else(|| OriginsError(text.as_ref().to_owned()))
        };
        Ok(Self::Listed(Listed(origins.into_iter().map(parse).collect::<Result<_, _>>()?)))
    }

    fn allow(&self, origin: &Origin, host: &str) -> bool {
        match self {
            Self::SameHost => Origin::new(origin.scheme, host).is_some_and(|own| own == *origin),
            Self::Listed(Listed(origins)) => origins.contains(origin),
        }
    }
}

/// A checked list of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed(Vec<Origin>);

/// This text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin: write `http(s)://host` or `http(s)://host:port` and nothing else")]
pub struct OriginsError(pub String);

pub(super) fn check(
    lines: &(impl Lines + ?Sized),
    host: &str,
    policy: &UpgradePolicy,
) -> Result<(), Refusal> {
    if lines.all(&header::ORIGIN).next().is_none() {
        return if policy.allow_missing_origin { Ok(()) } else { Err(MISSING) };
    }
    let origin = only(lines, &header::ORIGIN)
        .and_then(|origin| Origin::parse(ascii(origin)?))
        .ok_or(FOREIGN)?;
    if policy.origins.allow(&origin, host) { Ok(()) } else { Err(FOREIGN) }
}

/// Scheme, host in lower case, and port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = [(Scheme::Http, "http"), (Scheme::Https, "https")]
            .into_iter()
            .find(|(_, name)| scheme.eq_ignore_ascii_case(name))?
            .0;
        Self::new(scheme, authority)
    }

    fn new(scheme: Scheme, authority: &str) -> Option<Self> {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match (port, scheme) {
            (Some(port), _) if port.bytes().all(|b| b.is_ascii_digit()) => port.parse().ok()?,
            (Some(_), _) => return None,
            (None, Scheme::Http) => 80,
            (None, Scheme::Https) => 443,
        };
        let name = |host: &str| {
            host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        };
        let address =
            |host: &str| host.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b));
        let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => !inner.is_empty() && address(inner),
            None => !host.is_empty() && name(host),
        };
        is_host.then(|| Self { scheme, host: host.to_ascii_lowercase(), port })
    }
}

const FOREIGN: Refusal = Refusal::new(
    StatusCode::FORBIDDEN,
    "Pages of this origin may not connect: add it to the server's list of origins to allow it.",
);
const MISSING: Refusal =
    Refusal::new(StatusCode::FORBIDDEN, "This server takes requests with an `Origin` header only.");
