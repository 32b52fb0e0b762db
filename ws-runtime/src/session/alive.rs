//! Whether the peer still lives (`docs/protocol.md`, section 9): any received frame counts.

use super::{Config, Time};
use std::time::Duration;

/// How late a timer may fire before we assume that the machine slept.
const SLEPT: Duration = Duration::from_secs(5);
/// How long the peer may take to answer after a sleep.
const PROBE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub(super) struct Alive {
    interval: Duration,
    timeout: Duration,
    /// The first question waits for no more than a multiple of so many milliseconds; 0 or 1: for
    /// its own moment.
    step_ms: u32,
    /// When to ask at the latest, or when to give up if we asked.
    due: Time,
    asked: bool,
    /// What the ping carries that was last asked for, until it is answered: that moment.
    pinged: Option<u64>,
    round_trip: Option<Duration>,
}

/// What the moment asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    Quiet,
    Ask,
    Dead,
}

impl Alive {
    /// Until a welcome says otherwise.
    pub(super) fn of(config: &Config, now: Time) -> Self {
        let Config { heartbeat_interval, heartbeat_timeout, heartbeat_step, .. } = *config;
        let step_ms = u32::try_from(heartbeat_step.as_millis()).unwrap_or(u32::MAX);
        Self { step_ms, ..Self::new(heartbeat_interval, heartbeat_timeout, now) }
    }

    pub(super) fn new(interval: Duration, timeout: Duration, now: Time) -> Self {
        Self {
            interval,
            timeout,
            step_ms: 0,
            due: now + interval,
            asked: false,
            pinged: None,
            round_trip: None,
        }
    }

    pub(super) fn heard(&mut self, now: Time) {
        self.due = now + self.interval;
        self.asked = false;
    }

    /// A pong came back. What it carries counts only if it is what we sent.
    pub(super) fn answered(&mut self, t: u64, now: Time) {
        if self.pinged.take_if(|at| *at == t).is_some() {
            self.round_trip = Some(Duration::from_millis(now.as_millis().saturating_sub(t)));
        }
    }

    /// How long the last answer to a ping took.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    pub(super) fn due(&self) -> Time {
        if self.asked || self.step_ms < 2 {
            return self.due;
        }
        let due = self.due.as_millis();
        Time::new(Duration::from_millis(due - due % u64::from(self.step_ms)))
    }

    pub(super) fn check(&mut self, now: Time) -> Pulse {
        let due = self.due();
        if now < due {
            return Pulse::Quiet;
        }
        let slept = now - due > SLEPT;
        if self.asked && !slept {
            return Pulse::Dead;
        }
        self.due = now + if slept { PROBE } else { self.timeout };
        self.asked = true;
        self.pinged = Some(now.as_millis());
        Pulse::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Time {
        Time::new(Duration::from_secs(s))
    }

    #[test]
    fn silence_is_noticed_within_interval_and_timeout() {
        let mut alive = Alive::new(Duration::from_secs(30), Duration::from_secs(10), at(0));
        assert_eq!(alive.check(at(29)), Pulse::Quiet);
        assert_eq!(alive.check(at(30)), Pulse::Ask);
        assert_eq!(alive.check(at(39)), Pulse::Quiet);
        assert_eq!(alive.check(at(40)), Pulse::Dead);
    }

    #[test]
    fn who_asks_in_steps_asks_at_the_last_one_before_the_silence_is_too_long() {
        let new = || Alive::new(Duration::from_secs(30), Duration::from_secs(10), at(0));
        let mut alive = Alive { step_ms: 250, ..new() };
        alive.heard(Time::new(Duration::from_millis(1_249)));
        let step = Time::new(Duration::from_secs(31));
        assert_eq!(alive.due(), step);
        assert_eq!(alive.check(Time::new(Duration::from_millis(30_999))), Pulse::Quiet);
        assert_eq!(alive.check(step), Pulse::Ask);
        assert_eq!(alive.due(), at(41), "the answer has all of its time");
    }

    #[test]
    fn only_the_answer_to_our_own_ping_says_how_long_it_took() {
        let mut alive = Alive::new(Duration::from_secs(30), Duration::from_secs(10), at(0));
        assert_eq!(alive.check(at(30)), Pulse::Ask);
        alive.answered(1, at(31));
        assert_eq!(alive.round_trip(), None, "a peer may say any number");
        alive.answered(30_000, at(32));
        assert_eq!(alive.round_trip(), Some(Duration::from_secs(2)));
        alive.answered(30_000, at(50));
        assert_eq!(alive.round_trip(), Some(Duration::from_secs(2)), "one answer for each ping");
    }

    #[test]
    fn after_a_sleep_the_peer_gets_three_seconds() {
        let mut alive = Alive::new(Duration::from_secs(30), Duration::from_secs(10), at(0));
        assert_eq!(alive.check(at(30)), Pulse::Ask);
        assert_eq!(alive.check(at(3600)), Pulse::Ask, "asleep while waiting is not a dead peer");
        assert_eq!(alive.due(), at(3603));
        assert_eq!(alive.check(at(3603)), Pulse::Dead);
    }
}
