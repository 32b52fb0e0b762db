//! Time as the pure core knows it.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A moment: the time since a start that the driver picks. It never goes back.
///
/// Our own type, since `std::time::Instant` can be neither built nor printed, and panics on wasm.
/// Nanoseconds in one number, for moments are compared all the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The start.
    pub const ZERO: Self = Self(0);

    /// The moment `since_start` after the start.
    #[must_use]
    pub const fn new(since_start: Duration) -> Self {
        Self(nanos(since_start))
    }

    /// The time since the start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Whole milliseconds since the start.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates: a deadline of centuries is as good as none.
    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(nanos(after)))
    }
}

impl Sub for Time {
    type Output = Duration;

    /// The time between two moments, zero when they are in the other order.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.as_millis())
    }
}

/// Whole nanoseconds; centuries are as good as for ever.
const fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos() as u64)
}

/// The first of these moments. One that is centuries away is none.
pub(super) fn earliest<const N: usize>(times: [Option<Time>; N]) -> Option<Time> {
    let never = Time(u64::MAX);
    let first = times.into_iter().fold(never, |first, time| first.min(time.unwrap_or(never)));
    (first != never).then_some(first)
}

/// Whole milliseconds, as they travel.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
