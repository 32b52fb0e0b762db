//! When to connect again (`docs/protocol.md`, section 9). Pure: the moment and the seed are given.

use crate::session::Closed;
use std::time::Duration;
use ws_proto::Advice;

/// How long to wait before each attempt to connect again, and when to give up.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Backoff {
    /// The first delay; each further one is twice as long. Default 1 s.
    pub base: Duration,
    /// The longest delay, before jitter. Default 30 s.
    pub max: Duration,
    /// Attempts in a row before the client gives up; default 12. Zero: the first failure is the
    /// last.
    pub max_attempts: u32,
    /// How long a connection must live for the count to return to zero; default 30 s.
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            max: Duration::from_secs(30),
            max_attempts: 12,
            reset_after: Duration::from_secs(30),
        }
    }
}

/// What to do after a connection is over, or an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Connect again after this long.
    Again(Duration),
    /// Too many attempts failed in a row.
    GiveUp,
    /// The close code says not to come back.
    Stop,
}

/// Counts the attempts.
#[derive(Debug)]
pub(super) struct Attempts {
    backoff: Backoff,
    failed: u32,
    random: fastrand::Rng,
}

impl Attempts {
    pub(super) fn new(backoff: Backoff, seed: u64) -> Self {
        Self { backoff, failed: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// How many attempts failed in a row.
    pub(super) fn failed(&self) -> u32 {
        self.failed
    }

    /// A connection that lived for `lived` is over.
    pub(super) fn after_close(&mut self, closed: &Closed, lived: Duration) -> Next {
        if closed.code.advice() == Advice::Stop {
            return Next::Stop;
        }
        if lived >= self.backoff.reset_after {
            self.failed = 0;
        }
        match closed.retry_after {
            Some((low, high)) if self.failed < self.backoff.max_attempts => {
                self.failed += 1;
                Next::Again(self.draw(low, high))
            }
            _ => self.after_failure(),
        }
    }

    /// An attempt failed.
    pub(super) fn after_failure(&mut self) -> Next {
        self.after_refusal(Duration::ZERO)
    }

    /// An attempt was refused for now: the next one comes no earlier than the server said.
    pub(super) fn after_refusal(&mut self, earliest: Duration) -> Next {
        if self.failed >= self.backoff.max_attempts {
            return Next::GiveUp;
        }
        let doubled = self.backoff.base.saturating_mul(1 << self.failed.min(16));
        self.failed += 1;
        let delay = doubled.min(self.backoff.max);
        let (low, high) = (delay / 2, delay.saturating_mul(3) / 2);
        // Those who were told the same come back spread over the usual range.
        Next::Again(self.draw(low.saturating_add(earliest), high.saturating_add(earliest)))
    }

    fn draw(&mut self, low: Duration, high: Duration) -> Duration {
        // A server that names a year is not obeyed for longer than an hour.
        let high = high.min(Duration::from_secs(3600)).max(low.min(Duration::from_secs(3600)));
        let low = low.min(high);
        low + high.saturating_sub(low).mul_f64(self.random.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Initiator;
    use ws_proto::CloseCode;

    fn closed(code: CloseCode, retry_after: Option<(u64, u64)>) -> Closed {
        let seconds = |(low, high)| (Duration::from_secs(low), Duration::from_secs(high));
        Closed {
            by: Initiator::Peer,
            code,
            reason: String::new(),
            retry_after: retry_after.map(seconds),
            endpoint: None,
        }
    }

    #[test]
    fn delays_double_up_to_the_longest_and_jitter_stays_inside() {
        for seed in 0..200 {
            let mut attempts = Attempts::new(Backoff::default(), seed);
            for base in [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30] {
                let Next::Again(delay) = attempts.after_failure() else { panic!("gave up") };
                let (low, high) = (base * 500, base * 1500);
                assert!((low..=high).contains(&u64::try_from(delay.as_millis()).unwrap()));
            }
            assert_eq!(attempts.after_failure(), Next::GiveUp);
        }
    }

    #[test]
    fn the_server_names_the_first_delay_and_a_long_life_forgets_failures() {
        let mut attempts = Attempts::new(Backoff::default(), 7);
        attempts.after_failure();
        let drained = closed(CloseCode::DRAINING, Some((5, 6)));
        let Next::Again(delay) = attempts.after_close(&drained, Duration::from_secs(31)) else {
            panic!("stopped")
        };
        assert!((5.0..=6.0).contains(&delay.as_secs_f64()));
        assert_eq!(attempts.failed(), 1);
    }

    #[test]
    fn a_refusal_names_the_earliest_moment_and_jitter_comes_on_top() {
        for seed in 0..200 {
            let mut attempts = Attempts::new(Backoff::default(), seed);
            let Next::Again(delay) = attempts.after_refusal(Duration::from_secs(60)) else {
                panic!("gave up")
            };
            assert!((60.5..=61.5).contains(&delay.as_secs_f64()));
            let Next::Again(delay) = attempts.after_refusal(Duration::MAX) else {
                panic!("gave up")
            };
            assert!(delay <= Duration::from_secs(3600));
        }
    }

    #[test]
    fn the_range_of_the_code_decides_about_coming_back() {
        let mut attempts = Attempts::new(Backoff::default(), 7);
        for code in [CloseCode::NORMAL, CloseCode::VERSION, CloseCode::KICKED, CloseCode(4999)] {
            assert_eq!(attempts.after_close(&closed(code, None), Duration::ZERO), Next::Stop);
        }
        let year = closed(CloseCode::OVERLOADED, Some((31_536_000, 31_536_000)));
        let Next::Again(delay) = attempts.after_close(&year, Duration::ZERO) else { panic!() };
        assert!(delay <= Duration::from_secs(3600));
    }
}
