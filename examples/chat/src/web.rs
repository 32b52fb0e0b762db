//! The HTTP side: the page, the health, and the WebSocket at `/ws`, in one axum router.

use crate::protocol::Chat;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::net::TcpListener;
use ws_runtime::{Server, session::Drain};

/// How long running requests may take when the server stops.
const PATIENCE: Duration = Duration::from_secs(5);
/// When clients come back after a drain.
const RETURN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));

/// The page has no other scripts, styles or servers than its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Everything that the server answers: `/` and what the page loads, `/healthz`, `/ws`, and
/// `/inspect` if the server shows itself to somebody.
pub fn router(server: Server<Chat>) -> Router {
    const HTML: &str = "text/html; charset=utf-8";
    const CSS: &str = "text/css; charset=utf-8";
    const JS: &str = "text/javascript; charset=utf-8";
    Router::new()
        .route("/", file(HTML, include_str!("../page/index.html")))
        .route("/style.css", file(CSS, include_str!("../page/style.css")))
        .route("/main.js", file(JS, include_str!("../page/main.js")))
        .route("/icon.svg", file("image/svg+xml", include_str!("../page/icon.svg")))
        .route("/healthz", get(health))
        .route("/inspect", get(look))
        .route("/ws", get(upgrade))
        .with_state(server)
}

/// Serves until `stop` resolves, then drains: clients are told when to come back, running requests
/// finish, and only then does this return.
///
/// # Errors
///
/// Those of the system.
pub async fn serve(
    listener: TcpListener,
    server: Server<Chat>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let app = router(server.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let drained = async move {
        stop.await;
        // `/healthz` says 503 meanwhile: the listener stays open until the last client is gone.
        server.drain(Drain { retry_after: RETURN, endpoint: None, patience: PATIENCE }).await;
    };
    axum::serve(listener, app).with_graceful_shutdown(drained).await
}

fn file(kind: &'static str, text: &'static str) -> axum::routing::MethodRouter<Server<Chat>> {
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    get(move || async move { (headers, text) })
}

async fn health(State(server): State<Server<Chat>>) -> impl IntoResponse {
    if server.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn look(
    State(server): State<Server<Chat>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    server.look(&request, Some(remote)).map(Body::new)
}

async fn upgrade(
    State(server): State<Server<Chat>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    server.upgrade(&mut request, Some(remote)).map(Body::new)
}
