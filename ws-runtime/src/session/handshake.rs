//! Hello, welcome, reject, and the ends of a connection (`docs/protocol.md`, sections 4, 5, 10).

mod early;

pub(super) use early::Early;

use super::{
    Config, Session, Side, Time,
    alive::Alive,
    command::{Acceptance, Drain, Misuse},
    event::{Closed, Event, Initiator},
    fault::PeerFault,
    line::Line,
    millis,
    pace::Pace,
    resuming::Grant,
    state::State,
};
use std::time::Duration;
use ws_proto::{
    CloseCode, Fault, FaultCode, Frame, Retry,
    frame::{
        AuthGrant, ClientLimits, Close, Heartbeat, Hello, Rate, Reject, ServerInfo, ServerLimits,
        SessionGrant, Welcome,
    },
};

impl Session {
    pub(super) fn connect(&mut self, mut hello: Hello) -> Result<(), Misuse> {
        self.expect_side(Side::Client)?;
        if !matches!(self.state, State::Idle | State::Over) {
            return Err(Misuse::AlreadyConnected);
        }
        let limits = &self.config.limits;
        hello.limits =
            Some(ClientLimits { max_frame: small(limits.max_frame), window: limits.window });
        hello.resume = self.resume_wish();
        let is_new = hello.resume.is_none() && self.leaves_nothing();
        if is_new {
            // Not at the welcome: what is asked for until then belongs to the new session already.
            self.start_over();
        }
        self.inbox.early = is_new.then(Early::default);
        // The hello says it all: a `$close` before the welcome acknowledges nothing of a session
        // that the other side does not know yet.
        self.inbox.resumed();
        self.state.greet(self.now + self.config.handshake_timeout);
        self.push_urgent(Frame::Hello(Box::new(hello)), |_| {});
        if is_new {
            self.ask_again();
        }
        Ok(())
    }

    pub(super) fn on_hello(&mut self, hello: Hello) -> Result<(), PeerFault> {
        if !matches!(self.state, State::Expecting { .. }) {
            return Err(PeerFault::SecondHello);
        }
        let contract = &self.config.contract;
        let common = contract.versions.highest_common(hello.version);
        if hello.protocol != contract.name {
            let text = format!("this server speaks `{}`", contract.name);
            self.reject(CloseCode::VERSION, Fault::new(FaultCode::Unimplemented, text));
        } else if let Some(version) = common {
            if let Some(limits) = hello.limits {
                self.peer_frame = self.peer_frame.min(limits.max_frame as usize);
            }
            self.state.decide(version);
            self.inbox.early = hello.resume.is_none().then(Early::default);
            self.events.push_back(Event::Hello(Box::new(hello), version));
        } else {
            let text = format!(
                "this server speaks versions {} of `{}`, the client {}",
                contract.versions, contract.name, hello.version
            );
            self.reject(CloseCode::VERSION, Fault::new(FaultCode::Unimplemented, text));
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, acceptance: Acceptance) -> Result<(), Misuse> {
        self.expect_side(Side::Server)?;
        let State::Deciding { version } = self.state else {
            // The client left before the decision: nobody is there to be welcomed.
            return if self.state.is_ending() { Ok(()) } else { Err(Misuse::UnknownTicket) };
        };
        self.agreed = Some(version);
        self.welcome(acceptance, false);
        self.take_early();
        Ok(())
    }

    /// Opens the conversation, new or resumed, and says so.
    pub(super) fn welcome(&mut self, acceptance: Acceptance, resumed: bool) {
        let version = self.agreed.unwrap_or_default();
        let Config { limits, heartbeat_interval, heartbeat_timeout, heartbeat_lag, .. } =
            &self.config;
        let welcome = Welcome {
            version,
            fingerprint: self.config.fingerprint.clone(),
            session: SessionGrant {
                id: acceptance.session,
                ticket: acceptance.ticket,
                ttl_ms: millis(acceptance.ttl),
                resumed,
                reason: acceptance.not_resumed,
            },
            recv: self.inbox.last(),
            heartbeat: Heartbeat {
                interval_ms: millis(heartbeat_interval.saturating_add(*heartbeat_lag)),
                timeout_ms: millis(heartbeat_timeout.saturating_sub(*heartbeat_lag)),
            },
            limits: ServerLimits {
                max_frame: small(limits.max_frame),
                max_in_flight: small(limits.max_in_flight),
                max_subs: small(limits.max_subs),
                window: limits.window,
                rate: Rate { per_s: limits.rate_per_s, burst: limits.rate_burst },
            },
            auth: acceptance
                .expires_in
                .map(|expires| AuthGrant { expires_in_ms: Some(millis(expires)) }),
            caps: Vec::new(),
            server: ServerInfo { node: acceptance.node, now: self.wall_ms() },
        };
        self.renewing.granted(acceptance.expires_in, self.now);
        self.state.open(version);
        // Silence counts from here: while the application decided, the client had to be silent.
        self.alive.heard(self.now);
        self.push_urgent(Frame::Welcome(Box::new(welcome)), |_| {});
    }

    pub(super) fn refuse(&mut self, code: CloseCode, fault: Fault) -> Result<(), Misuse> {
        self.expect_side(Side::Server)?;
        match self.state {
            State::Deciding { .. } => self.reject(code, fault),
            _ if self.state.is_ending() => {}
            _ => return Err(Misuse::UnknownTicket),
        }
        Ok(())
    }

    pub(super) fn on_welcome(&mut self, welcome: Welcome) -> Result<(), PeerFault> {
        if !self.config.contract.versions.contains(welcome.version) {
            return Err(PeerFault::Malformed);
        }
        self.state.open(welcome.version);
        let heartbeat = welcome.heartbeat;
        self.alive = Alive::new(
            Duration::from_millis(heartbeat.interval_ms.max(1)),
            Duration::from_millis(heartbeat.timeout_ms.max(1)),
            self.now,
        );
        self.peer_frame = welcome.limits.max_frame as usize;
        let Rate { per_s, burst } = welcome.limits.rate;
        // A quarter in reserve: on their way our messages bunch, and the server counts arrivals.
        let burst = burst.saturating_sub(burst.div_ceil(4)).max(1);
        self.pace = Pace::new(per_s.max(1), burst, self.now);
        // The server counted the hello, and what followed it.
        for _ in 0..=self.early_frames() {
            self.pace.spend(self.now);
        }
        if welcome.session.resumed {
            self.go_on(welcome.version, welcome.recv)?;
        } else if self.inbox.early.take().is_none() {
            self.start_over();
        }
        self.agreed = Some(welcome.version);
        self.renewing.learned(welcome.auth, self.now);
        self.grant = Some(Grant::of(&welcome.session));
        self.events.push_back(Event::Welcome(Box::new(welcome)));
        self.ask_again();
        Ok(())
    }

    pub(super) fn on_reject(&mut self, reject: Reject) {
        let closed = Closed {
            by: Initiator::Peer,
            code: reject.close,
            reason: reject.error.message.clone(),
            retry_after: reject.error.after_ms.map(|ms| {
                let delay = Duration::from_millis(ms);
                (delay, delay)
            }),
            endpoint: None,
        };
        self.events.push_back(Event::Rejected(Box::new(reject)));
        self.state.close(closed);
    }

    pub(super) fn on_close(&mut self, close: Close) {
        let window = close
            .retry_after_ms
            .map(|(low, high)| (Duration::from_millis(low), Duration::from_millis(high.max(low))));
        self.state.close(Closed {
            by: Initiator::Peer,
            code: close.code,
            reason: close.reason,
            retry_after: window,
            endpoint: close.endpoint,
        });
    }

    pub(super) fn disconnected(&mut self, code: Option<CloseCode>, reason: String) {
        self.urgent = Line::default();
        if self.state.is_ending() || matches!(self.state, State::Idle) {
            return;
        }
        let by = if code.is_some() { Initiator::Peer } else { Initiator::Network };
        // 1006 is what a lost connection is called where only numbers fit; it never travels.
        let code = code.unwrap_or(CloseCode(1006));
        self.state.close(Closed { by, code, reason, retry_after: None, endpoint: None });
    }

    pub(super) fn drain(&mut self, drain: Drain) -> Result<(), Misuse> {
        self.expect_side(Side::Server)?;
        let closed = Closed {
            by: Initiator::Application,
            code: CloseCode::DRAINING,
            reason: "the server stops".to_owned(),
            retry_after: Some(drain.retry_after),
            endpoint: drain.endpoint,
        };
        match self.state {
            State::Open { .. } => {}
            // Told twice, which changes nothing.
            State::Draining { .. } => return Ok(()),
            _ => {
                self.close_with(closed);
                return Ok(());
            }
        }
        self.state.drain(self.now + drain.patience, closed);
        for entry in self.work.dismiss_waiting() {
            self.inbox.handled(entry.seq, self.now);
            self.push_fault(entry.id, draining());
        }
        self.close_when_drained();
        Ok(())
    }

    /// A draining session closes when nothing runs, on either side, and everything was sent.
    pub(super) fn close_when_drained(&mut self) {
        if let State::Draining { closed, .. } = &self.state
            && self.work.is_idle()
            && self.calls.is_empty()
            && self.outbox.is_empty()
        {
            let closed = (**closed).clone();
            self.close_with(closed);
        }
    }

    pub(super) fn state_overdue(&mut self) {
        match &self.state {
            State::Draining { closed, .. } => {
                let closed = (**closed).clone();
                self.close_with(closed);
            }
            _ => self.handle_fault(PeerFault::SlowHandshake, self.now),
        }
    }

    fn reject(&mut self, code: CloseCode, error: Fault) {
        let contract = &self.config.contract;
        let closed = Closed {
            by: Initiator::Session,
            code,
            reason: error.message.clone(),
            retry_after: None,
            endpoint: None,
        };
        let reject = Reject {
            close: code,
            error,
            protocol: contract.name.to_owned(),
            supported: contract.versions,
        };
        self.push_urgent(Frame::Reject(Box::new(reject)), |_| {});
        self.state.close(closed);
    }

    pub(super) fn expect_side(&self, side: Side) -> Result<(), Misuse> {
        if self.side == side { Ok(()) } else { Err(Misuse::WrongSide(side)) }
    }
}

pub(super) fn draining() -> Fault {
    Fault::new(FaultCode::Draining, "the server stops; ask again on the next connection")
        .retry(Retry::Safe)
}

fn small(bound: usize) -> u32 {
    u32::try_from(bound).unwrap_or(u32::MAX)
}

impl Time {
    /// What is left until a deadline, in whole milliseconds.
    pub(super) fn millis_until(self, deadline: Self) -> u64 {
        millis(deadline - self)
    }
}
