//! How fast messages may come: a token bucket in whole micro-tokens, so that no time is lost to
//! rounding.

use super::Time;
use std::time::Duration;

const TOKEN: i64 = 1_000_000;

#[derive(Clone, Debug)]
pub(super) struct Pace {
    per_s: u64,
    full: i64,
    /// Below zero after frames that could not wait.
    tokens: i64,
    at: Time,
}

impl Pace {
    pub(super) fn new(per_s: u32, burst: u32, now: Time) -> Self {
        let full = i64::from(burst) * TOKEN;
        Self { per_s: u64::from(per_s), full, tokens: full, at: now }
    }

    /// Takes a token; false when there is none.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let there = self.has(now);
        if there {
            self.tokens -= TOKEN;
        }
        there
    }

    /// Whether there is a token.
    pub(super) fn has(&mut self, now: Time) -> bool {
        self.refill(now);
        self.tokens >= TOKEN
    }

    /// Takes a token for what cannot wait; the next ones wait longer instead.
    pub(super) fn spend(&mut self, now: Time) {
        self.refill(now);
        self.tokens = self.tokens.saturating_sub(TOKEN);
    }

    /// When there is a token; `None` while there is one.
    pub(super) fn due(&self) -> Option<Time> {
        (self.tokens < TOKEN).then(|| self.at + self.wait())
    }

    /// How long until there is a token, from the moment that was last told.
    pub(super) fn wait(&self) -> Duration {
        // Rounded up: a timer that fires a microsecond early would spin.
        let missing = u64::try_from(TOKEN.saturating_sub(self.tokens)).unwrap_or_default();
        Duration::from_micros(missing.div_ceil(self.per_s.max(1)))
    }

    /// Counts the tokens that came until now.
    pub(super) fn refill(&mut self, now: Time) {
        let since = now - self.at;
        if since < Duration::from_micros(1) {
            // Most messages come in the moment of the one before.
            return;
        }
        let passed = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        // One micro-token per microsecond and token per second.
        let gained = i64::try_from(passed.saturating_mul(self.per_s)).unwrap_or(i64::MAX);
        self.tokens = self.tokens.saturating_add(gained).min(self.full);
        // Whole microseconds were counted; what is left of one counts the next time.
        self.at = self.at + Duration::from_micros(passed);
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
