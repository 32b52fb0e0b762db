//! How fast messages may come: a token bucket in whole micro-tokens, so that no time is lost to
//! rounding.

use super::Time;
use std::time::Duration;

const TOKEN: u64 = 1_000_000;

#[derive(Clone, Debug)]
pub(super) struct Pace {
    per_s: u64,
    full: u64,
    tokens: u64,
    at: Time,
}

impl Pace {
    pub(super) fn new(per_s: u32, burst: u32, now: Time) -> Self {
        let full = u64::from(burst) * TOKEN;
        Self { per_s: u64::from(per_s), full, tokens: full, at: now }
    }

    /// Takes a token; false when there is none.
    pub(super) fn take(&mut self, now: Time) -> bool {
        self.refill(now);
        let there = self.tokens >= TOKEN;
        if there {
            self.tokens -= TOKEN;
        }
        there
    }

    /// How long until there is a token.
    pub(super) fn wait(&self) -> Duration {
        // Rounded up: a timer that fires a microsecond early would spin.
        Duration::from_micros(TOKEN.saturating_sub(self.tokens).div_ceil(self.per_s.max(1)))
    }

    fn refill(&mut self, now: Time) {
        let passed = u64::try_from((now - self.at).as_micros()).unwrap_or(u64::MAX);
        // One micro-token per microsecond and token per second.
        self.tokens = self.tokens.saturating_add(passed.saturating_mul(self.per_s)).min(self.full);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burst_passes_and_then_the_rate() {
        let mut pace = Pace::new(10, 3, Time::ZERO);
        assert_eq!((0..5).filter(|_| pace.take(Time::ZERO)).count(), 3);
        assert_eq!(pace.wait(), Duration::from_millis(100));
        assert!(!pace.take(Time::new(Duration::from_millis(99))));
        assert!(pace.take(Time::new(Duration::from_millis(100))));
    }
}
