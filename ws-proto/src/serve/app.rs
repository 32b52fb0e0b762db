//! Whoever answers requests, on either side.

use super::{Authenticate, Principal};

/// What answers requests: the application of a server, or of a client whose server calls it.
///
/// Whoever is [`Authenticate`] has it. The application of a client has one line:
///
/// ```
/// struct Terminal;
///
/// impl ws_proto::Serve for Terminal {
///     type Principal = ();
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who may connect",
    label = "no `Authenticate` for this type",
    note = "add `impl Authenticate for {Self}` (a public server returns `Ok(())`)",
    note = "a client's application, which its server asks: add `impl Serve for {Self}` instead"
)]
pub trait Serve: Send + Sync + 'static {
    /// Who asks, in the eyes of a handler. A client knows one asker, its server: `()`.
    type Principal: Principal;
}

impl<App: Authenticate> Serve for App {
    type Principal = <App as Authenticate>::Principal;
}
