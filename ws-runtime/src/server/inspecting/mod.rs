//! A page that shows a live server to those whom the application lets look: its connections, and
//! the frames of one of them.
//!
//! The page asks again and again, each time with a request of its own: so it works wherever HTTP
//! does, who may look is asked each time, and a looker that is slow or gone holds nothing. What is
//! shown is kept only while somebody asks.

mod showing;
mod standing;
mod tail;
pub(super) mod watching;

use super::Server;
use crate::transport::upgrade::{Refusal, query_token};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use showing::Reader;
use standing::{Order, Wanted};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use subtle::ConstantTimeEq;
use tail::{LEASE, Tail};
use tokio::time::Instant;
use uuid::{Uuid, fmt::Simple};
use watching::Entry;
use ws_proto::{Protocol, Secret};

/// The longest name that a looker may have.
const LONGEST_NAME: usize = 32;

/// A page that shows the server's connections and their frames, and who may see it.
///
/// There is none unless a server is given one ([`Server::inspect`]).
///
/// ```
/// use ws_runtime::server::Inspect;
///
/// let page = Inspect::new("/inspect", |looking| {
///     looking.remote().is_some_and(|remote| remote.ip().is_loopback())
/// });
/// let page = page.redact("text");
/// ```
pub struct Inspect {
    path: String,
    may_look: Box<dyn Fn(&Looking<'_>) -> bool + Send + Sync>,
    hidden: BTreeSet<String>,
    max_lookers: usize,
}

/// A request for the page or for its data, as the application judges it.
#[derive(Clone, Copy)]
pub struct Looking<'a> {
    uri: &'a Uri,
    headers: &'a HeaderMap,
    remote: Option<SocketAddr>,
}

/// What is known for those who look.
pub(super) struct Inspector {
    inspect: Inspect,
    reader: Reader,
    began: Instant,
    /// Until when somebody looks, in milliseconds after it began; zero while nobody does.
    looked_at_until: AtomicU64,
    entries: Mutex<BTreeMap<u64, Arc<Entry>>>,
    looks: Mutex<Looks>,
}

/// Who looks, and at what.
#[derive(Default)]
struct Looks {
    /// By the name that a page gave itself: when it asked last.
    lookers: BTreeMap<String, Instant>,
    tails: BTreeMap<u64, Arc<Tail>>,
    runs: u64,
}

impl Inspect {
    /// A page at this path, for requests of which `may_look` says so. It is asked for each request:
    /// the page asks about once a second, so whoever loses the right sees nothing more.
    ///
    /// It must not block. Where the answer has to be waited for, mount [`Server::look`] behind
    /// the authorization of the HTTP server.
    #[must_use]
    pub fn new(
        path: impl Into<String>,
        may_look: impl Fn(&Looking<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        let may_look = Box::new(may_look);
        Self { path: path.into(), may_look, hidden: BTreeSet::new(), max_lookers: 8 }
    }

    /// A page for those who have this token ([`Looking::token`]). An empty one lets nobody in.
    #[must_use]
    pub fn by_token(path: impl Into<String>, token: Secret) -> Self {
        Self::new(path, move |looking| {
            let same = |shown: &Secret| -> bool {
                shown.expose().as_bytes().ct_eq(token.expose().as_bytes()).into()
            };
            !token.expose().is_empty() && looking.token().is_some_and(|shown| same(&shown))
        })
    }

    /// Hides the value of this field, wherever it stands in a payload. Hidden without it are the
    /// fields marked `#[ws(redact)]`, and `token` and `ticket`.
    #[must_use]
    pub fn redact(mut self, field: impl Into<String>) -> Self {
        self.hidden.insert(field.into());
        self
    }

    /// How many may look at once; default 8. The frames of as many connections are kept for them,
    /// about 2 MiB each at most.
    #[must_use]
    pub const fn max_lookers(mut self, max: usize) -> Self {
        self.max_lookers = max;
        self
    }

    /// Where the page is.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl<'a> Looking<'a> {
    /// The address that was asked for, with its query.
    #[must_use]
    pub const fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The headers of the request.
    #[must_use]
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The other end of the connection, where it is known. Behind a proxy it is the proxy.
    #[must_use]
    pub const fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// The token of `Authorization: Bearer`, or else the query parameter `token`. A URL shows up in
    /// the logs of every proxy on the way.
    #[must_use]
    pub fn token(&self) -> Option<Secret> {
        let shown = self.headers.get(header::AUTHORIZATION);
        let bearer = shown.and_then(|shown| shown.to_str().ok()?.strip_prefix("Bearer "));
        bearer.map(Secret::from).or_else(|| query_token(self.uri.query()?, "token"))
    }
}

impl<P: Protocol> Server<P> {
    /// Shows this server to those whom the page lets look. The first page counts, and only
    /// connections that are made after it are shown.
    ///
    /// A server that listens alone answers at the page's path; one that is mounted is asked with
    /// [`Server::look`].
    #[must_use]
    pub fn inspect(self, inspect: Inspect) -> Self {
        let reader = Reader::of::<P>(&inspect.hidden);
        let path = inspect.path.clone();
        if self.shared.watching.set(Inspector::new(inspect, reader)) {
            tracing::warn!(path, "whoever is authorized can look at this server");
        }
        self
    }

    /// Answers a request for the page or its data, whatever its path: 404 without
    /// [`Server::inspect`], 403 for those who may not look. `remote` is the other end, where the
    /// HTTP server knows it.
    pub fn look<B>(
        &self,
        request: &Request<B>,
        remote: Option<SocketAddr>,
    ) -> Response<Full<Bytes>> {
        let answer = match self.shared.watching.inspector() {
            Some(inspector) => self.answer(inspector, request, remote),
            None => Err(NO_PAGE),
        };
        answer.unwrap_or_else(|refusal| guarded(refusal.response()))
    }

    fn answer<B>(
        &self,
        inspector: &Arc<Inspector>,
        request: &Request<B>,
        remote: Option<SocketAddr>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let (uri, headers) = (request.uri(), request.headers());
        if request.method() != Method::GET {
            return Err(METHOD);
        }
        self.check_host(headers)?;
        // A right that nobody has to show, as an address, is had by foreign pages, too.
        let site = headers.get("sec-fetch-site");
        let is_foreign = site.is_some_and(|site| site == "cross-site" || site == "same-site");
        let may_look = (inspector.inspect.may_look)(&Looking { uri, headers, remote });
        let query = uri.query().unwrap_or_default();
        let parameter = |name: &str| query_token(query, name).map(|it| it.expose().to_owned());
        match parameter("show").as_deref() {
            _ if !may_look => Err(FORBIDDEN),
            None => Ok(page()),
            Some(_) if is_foreign => Err(FORBIDDEN),
            Some(show) => {
                let name = parameter("look").filter(|name| is_name(name)).ok_or(NO_NAME)?;
                let number = |name: &str| parameter(name)?.parse::<u64>().ok();
                let now = Instant::now();
                if inspector.looks(&name, now)? {
                    self.shared.guests().all().for_each(|(_, entry)| entry.mailbox.nudge());
                }
                match show {
                    "connections" => {
                        let order = parameter("sort").map_or(Order::default(), |it| Order::of(&it));
                        let wanted = Wanted { order, find: parameter("find").unwrap_or_default() };
                        Ok(data(self.connections_as_json(inspector, &wanted, now)))
                    }
                    "frames" => {
                        let of = number("of").ok_or(NO_CONNECTION)?;
                        let (run, after) = (number("run"), number("after").unwrap_or_default());
                        self.frames_as_json(inspector, of, (run, after), now).map(data)
                    }
                    _ => Err(NO_PAGE),
                }
            }
        }
    }

    /// As for upgrades: a foreign page can make its own name point to a local address.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let own = &self.shared.config.upgrade.hosts;
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_own = host.is_some_and(|host| own.iter().any(|own| own.eq_ignore_ascii_case(host)));
        if own.is_empty() || is_own { Ok(()) } else { Err(FOREIGN_HOST) }
    }
}

impl Inspector {
    fn new(inspect: Inspect, reader: Reader) -> Self {
        Self {
            inspect,
            reader,
            began: Instant::now(),
            looked_at_until: AtomicU64::new(0),
            entries: Mutex::default(),
            looks: Mutex::default(),
        }
    }

    /// Whether somebody looks. While nobody does this is one load.
    fn is_looked_at(&self) -> bool {
        let until = self.looked_at_until.load(Ordering::Relaxed);
        if until == 0 {
            return false;
        }
        let is_over = self.millis(Instant::now()) > until;
        if is_over {
            let (relaxed, nobody) = (Ordering::Relaxed, 0);
            // Whoever begins to look meanwhile wins.
            let _ = self.looked_at_until.compare_exchange(until, nobody, relaxed, relaxed);
        }
        !is_over
    }

    /// Somebody asks for data; true when nobody looked before.
    fn looks(&self, name: &str, now: Instant) -> Result<bool, Refusal> {
        let mut looks = self.lock_looks();
        looks.lookers.retain(|_, asked| now - *asked < LEASE);
        if !looks.lookers.contains_key(name) && looks.lookers.len() >= self.inspect.max_lookers {
            return Err(TOO_MANY);
        }
        looks.lookers.insert(name.to_owned(), now);
        looks.tails.retain(|_, tail| !tail.is_forgotten(now));
        drop(looks);
        let now = self.millis(now);
        let before = self.looked_at_until.swap(now + millis(LEASE), Ordering::Relaxed);
        Ok(before < now)
    }

    /// The frames of a connection, from now on if nobody looks at them already.
    fn tail(&self, of: u64, now: Instant) -> Option<Arc<Tail>> {
        let entry = self.entries().get(&of).cloned();
        let mut looks = self.lock_looks();
        if let Some(tail) = looks.tails.get(&of) {
            return Some(Arc::clone(tail));
        }
        let entry = entry?;
        if looks.tails.len() >= self.inspect.max_lookers {
            // One that its looker has left for another: those who look are no more than this.
            let longest = looks.tails.iter().min_by_key(|(_, tail)| tail.last_asked());
            let longest = longest.map(|(of, _)| *of)?;
            looks.tails.remove(&longest);
            if let Some(entry) = self.entries().get(&longest) {
                entry.facts().show(None);
            }
        }
        looks.runs += 1;
        let tail = Arc::new(Tail::new(looks.runs, now));
        looks.tails.insert(of, Arc::clone(&tail));
        drop(looks);
        entry.facts().show(Some(Arc::clone(&tail)));
        Some(tail)
    }

    fn millis(&self, now: Instant) -> u64 {
        // Zero stands for never.
        millis(now - self.began).saturating_add(1)
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspect").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Looking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looking").field("remote", &self.remote).finish_non_exhaustive()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain && (1..=LONGEST_NAME).contains(&name.len())
}

fn data(json: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(json));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    guarded(response)
}

/// The page, all in one answer: its only script and style are those that bear its nonce.
fn page() -> Response<Full<Bytes>> {
    let nonce = Uuid::new_v4().simple().encode_lower(&mut [0; Simple::LENGTH]).to_owned();
    let html = include_str!("page.html")
        .replace("{nonce}", &nonce)
        .replace("{style}", include_str!("page.css"))
        .replace("{script}", include_str!("page.js"));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let mut response = Response::new(Full::from(html));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    guarded(response)
}

/// What is shown stays with whoever may see it.
fn guarded(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let guards = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in guards {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

const NO_PAGE: Refusal = Refusal::new(StatusCode::NOT_FOUND, "There is nothing here.");
const METHOD: Refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Use GET.");
const FORBIDDEN: Refusal = Refusal::new(StatusCode::FORBIDDEN, "You may not look at this server.");
const FOREIGN_HOST: Refusal = Refusal::new(
    StatusCode::MISDIRECTED_REQUEST,
    "This server does not answer to the name in `Host`: list it in `hosts` to allow it.",
);
const NO_NAME: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "Name yourself with `look`: 1 to 32 letters, digits and hyphens.",
);
const NO_CONNECTION: Refusal =
    Refusal::new(StatusCode::BAD_REQUEST, "Name the connection with `of`.");
const GONE: Refusal = Refusal::new(StatusCode::NOT_FOUND, "There is no such connection any more.");
const TOO_MANY: Refusal =
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "As many look at this server as may.");
