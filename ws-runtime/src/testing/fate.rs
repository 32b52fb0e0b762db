//! What becomes of one connection: drawn before it is made, from the seed alone.

use std::{fmt, time::Duration};

/// What may be drawn, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) delay: Duration,
    pub(super) stall: Duration,
    pub(super) late: Duration,
    /// The weight of each way to end, in the order of [`How::ALL`].
    pub(super) weights: [u32; 4],
    /// Connections of one client that are disturbed.
    pub(super) connections: u32,
    /// Messages before a fault, at most.
    pub(super) messages: u32,
}

/// The direction of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Toward {
    Server,
    Client,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Both ends are lost at once, with what was on its way.
    Cut,
    /// Both ends stay open, and nothing gets through.
    HalfOpen,
    /// Both ends stay open, and nothing gets through in one direction.
    OneWay,
    /// The client's end is lost at once; the server's only later, after the last messages of the
    /// client have arrived late.
    Late,
}

/// A fault that the message with this number meets, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit<What> {
    pub(super) toward: Toward,
    /// From zero.
    pub(super) message: u32,
    pub(super) what: What,
}

/// What becomes of one connection.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    pub(super) stall: Option<Hit<Duration>>,
    pub(super) end: Option<Hit<How>>,
    pub(super) late: Duration,
    /// The longest delay of a message, and what draws each.
    pub(super) delay: Duration,
    pub(super) random: fastrand::Rng,
}

/// Draws the fates of one client's connections.
#[derive(Debug)]
pub(super) struct Fates {
    random: fastrand::Rng,
    drawn: u32,
    was_early: bool,
}

impl Plan {
    pub(super) const DEFAULT: Self = Self {
        delay: Duration::from_millis(50),
        stall: Duration::from_secs(5),
        late: Duration::from_secs(5),
        weights: [4, 1, 1, 2],
        connections: 10,
        messages: 64,
    };
}

impl How {
    pub(super) const ALL: [Self; 4] = [Self::Cut, Self::HalfOpen, Self::OneWay, Self::Late];
}

impl Fate {
    /// A quick and quiet one.
    pub(super) fn peace() -> Self {
        let (none, random) = (Duration::ZERO, fastrand::Rng::with_seed(0));
        Self { stall: None, end: None, late: none, delay: none, random }
    }
}

impl Fates {
    pub(super) fn new(seed: u64, client: u64) -> Self {
        // Neighbouring seeds and clients have nothing in common.
        let mut seeds = fastrand::Rng::with_seed(seed);
        let random = fastrand::Rng::with_seed(seeds.u64(..) ^ client.wrapping_mul(0x9E37_79B9));
        Self { random, drawn: 0, was_early: false }
    }

    pub(super) fn draw(&mut self, plan: &Plan) -> Fate {
        self.drawn += 1;
        if self.drawn > plan.connections {
            return Fate::peace();
        }
        let end = self.end(plan);
        let stall = !plan.stall.is_zero() && self.random.u8(..4) == 0;
        let stall = stall.then(|| {
            let what = plan.stall.mul_f64(self.random.f64());
            Hit { toward: self.toward(), message: 1 + self.message(plan), what }
        });
        let late = plan.late.mul_f64(self.random.f64());
        Fate { stall, end, late, delay: plan.delay, random: self.random.fork() }
    }

    fn end(&mut self, plan: &Plan) -> Option<Hit<How>> {
        let total: u32 = plan.weights.iter().sum();
        if total == 0 {
            return None;
        }
        let mut left = self.random.u32(..total);
        let how = How::ALL.into_iter().zip(plan.weights).find_map(|(how, weight)| {
            let found = left < weight;
            left = left.saturating_sub(weight);
            found.then_some(how)
        });
        let what = how.unwrap_or(How::Cut);
        let toward = self.toward();
        // A handshake is met only by cuts, and never twice in a row: sessions are kept for 120 s.
        let is_early = self.random.u8(..8) == 0 && what == How::Cut && !self.was_early;
        self.was_early = is_early;
        let message = if is_early { 0 } else { 1 + self.message(plan) };
        Some(Hit { toward, message, what })
    }

    fn toward(&mut self) -> Toward {
        if self.random.bool() { Toward::Server } else { Toward::Client }
    }

    /// Small numbers are as likely as large ones.
    fn message(&mut self, plan: &Plan) -> u32 {
        let most = self.random.u32(1..=plan.messages.max(1));
        self.random.u32(..most)
    }
}

impl Toward {
    pub(super) fn index(self) -> usize {
        usize::from(self == Self::Client)
    }
}

impl fmt::Display for Toward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "toward the server",
            Self::Client => "toward the client",
        })
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "cut",
            Self::HalfOpen => "half-open, nothing gets through",
            Self::OneWay => "nothing gets through",
            Self::Late => "lost for the client, and later for the server",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(seed: u64, client: u64) -> Vec<Option<Hit<How>>> {
        let mut fates = Fates::new(seed, client);
        (0..50).map(|_| fates.draw(&Plan { connections: 50, ..Plan::DEFAULT }).end).collect()
    }

    #[test]
    fn a_seed_decides_every_fate_and_another_client_has_others() {
        assert_eq!(ends(7, 1), ends(7, 1));
        assert_ne!(ends(7, 1), ends(8, 1));
        assert_ne!(ends(7, 1), ends(7, 2));
    }

    #[test]
    fn two_handshakes_in_a_row_are_never_met() {
        let is_early = |end: &Option<Hit<How>>| end.is_some_and(|hit| hit.message == 0);
        let all: Vec<_> = (0..100).map(|seed| ends(seed, 1)).collect();
        assert!(all.iter().flatten().any(is_early), "no handshake is met");
        for ends in all {
            assert!(!ends.windows(2).any(|pair| pair.iter().all(is_early)));
        }
    }

    #[test]
    fn a_weight_of_zero_is_never() {
        let plan = Plan { weights: [0, 0, 1, 0], ..Plan::DEFAULT };
        let mut fates = Fates::new(7, 1);
        for _ in 0..plan.connections {
            assert_eq!(fates.draw(&plan).end.map(|hit| hit.what), Some(How::OneWay));
        }
        assert_eq!(fates.draw(&plan).end, None, "later connections live");
    }
}
