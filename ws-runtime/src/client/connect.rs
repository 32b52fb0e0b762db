//! The loop behind a client: connect, drive, wait, again (`docs/protocol.md`, section 9).

use super::{
    Backoff,
    core::Core,
    error::{ConnState, ConnectError},
    reconnect::{Attempts, Next},
};
use crate::{
    driver::{Clock, End, drive, idle},
    session::{Closed, Command, Config, Session, Side},
    transport::{Transport, connect},
};
use futures_util::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};
use ws_proto::{
    Secret,
    frame::{AuthToken, ClientInfo, Hello},
};

/// Makes a connection; called again for every attempt.
pub(super) type Connector = Arc<
    dyn Fn() -> BoxFuture<'static, Result<Box<dyn Transport>, connect::ConnectError>> + Send + Sync,
>;

/// Asked for the token on every attempt, and before it expires; one at a time.
pub(super) type TokenSource = Arc<dyn Fn() -> BoxFuture<'static, Secret> + Send + Sync>;

/// What one client needs to connect, again and again.
pub(super) struct Connecting {
    pub(super) connector: Connector,
    pub(super) token: Option<TokenSource>,
    pub(super) backoff: Backoff,
    /// The first failure is the last, until there was a welcome.
    pub(super) fail_fast: bool,
    pub(super) config: Config,
    pub(super) info: Option<ClientInfo>,
    pub(super) attempt_timeout: Duration,
}

/// What an attempt came to.
enum Attempt {
    /// The connection was made and is over.
    Over(Closed),
    /// There was none.
    Failed(connect::ConnectError),
}

impl Connecting {
    /// Runs until the client is closed, or will not connect any more.
    pub(super) async fn run(self, mut core: Core, clock: Clock) {
        let mut session = Session::new(Side::Client, self.config.clone(), clock.now());
        let mut attempts = Attempts::new(self.backoff.clone(), fastrand::u64(..));
        let mut was_welcomed = false;
        let error = loop {
            core.set_state(ConnState::Connecting { attempt: attempts.failed() + 1 });
            let attempt = self.attempt(&mut session, &mut core, clock).await;
            if core.finished {
                break None;
            }
            was_welcomed |= core.welcomed.is_some();
            let lived = core.welcomed.take().map_or(Duration::ZERO, |since| since.elapsed());
            let (next, why) = match &attempt {
                Attempt::Over(closed) => {
                    let why = format!("{}: {}", closed.code, closed.reason);
                    (attempts.after_close(closed, lived), why)
                }
                Attempt::Failed(error) => (after_failure(&mut attempts, error), error.to_string()),
            };
            let next = if self.fail_fast && !was_welcomed { Next::Stop } else { next };
            match next {
                Next::Again(delay) => {
                    core.set_state(ConnState::Waiting { delay, last: why });
                    idle(&mut session, &mut core, clock, sleep(delay)).await;
                    if core.finished {
                        break None;
                    }
                }
                Next::GiveUp => {
                    break Some(ConnectError::GaveUp { attempts: attempts.failed(), last: why });
                }
                Next::Stop => break Some(final_error(attempt, &mut core)),
            }
        };
        core.finish(error);
    }

    async fn attempt(&self, session: &mut Session, core: &mut Core, clock: Clock) -> Attempt {
        let connecting = async {
            let token = match &self.token {
                Some(token) => Some(token().await),
                None => None,
            };
            ((self.connector)().await, token)
        };
        // What is asked meanwhile queues, and what waits too long expires.
        let mut made = None;
        let until = async { made = Some(timeout(self.attempt_timeout, connecting).await) };
        idle(session, core, clock, until).await;
        let (transport, token) = match made {
            Some(Ok((Ok(transport), token))) => (transport, token),
            Some(Ok((Err(error), _))) => return Attempt::Failed(error),
            _ => return unreachable("no connection in time"),
        };
        if core.finished {
            return unreachable("the client was closed");
        }
        let hello = self.hello(token);
        if let Err(misuse) = session.handle_command(Command::Connect(Box::new(hello)), clock.now())
        {
            tracing::error!(%misuse, "connect");
        }
        match drive(session, core, transport, clock).await {
            End::Closed(closed, goodbye) => {
                goodbye.linger(());
                Attempt::Over(*closed)
            }
            End::HandedOver(_) => unreachable("handed over"),
        }
    }

    fn hello(&self, token: Option<Secret>) -> Hello {
        let contract = &self.config.contract;
        Hello {
            protocol: contract.name.to_owned(),
            version: contract.versions,
            fingerprint: self.config.fingerprint.clone(),
            client: self.info.clone(),
            auth: token.map(|token| AuthToken { token }),
            resume: None,
            caps: Vec::new(),
            limits: None,
        }
    }
}

fn final_error(attempt: Attempt, core: &mut Core) -> ConnectError {
    match (core.rejected.take(), attempt) {
        (Some(reject), _) => ConnectError::Rejected(reject),
        (None, Attempt::Over(closed)) => ConnectError::Closed(closed),
        (None, Attempt::Failed(connect::ConnectError::Refused { status, message, .. })) => {
            ConnectError::Refused { status, message }
        }
        (None, Attempt::Failed(error)) => ConnectError::Unreachable(error.to_string()),
    }
}

fn unreachable(why: &str) -> Attempt {
    Attempt::Failed(connect::ConnectError::Unreachable(why.to_owned()))
}

/// Trying again cannot help where the address is wrong or the server knows better.
fn after_failure(attempts: &mut Attempts, error: &connect::ConnectError) -> Next {
    match error {
        connect::ConnectError::Refused { status: 429 | 500..=599, retry_after, .. } => {
            attempts.after_refusal(retry_after.unwrap_or_default())
        }
        connect::ConnectError::Unreachable(_) => attempts.after_failure(),
        _ => Next::Stop,
    }
}
