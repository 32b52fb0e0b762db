//! Whether this program was the limit of what it measured: its CPU, and how late it woke up.

use super::tally::{histogram, record};
use crate::documents::Failure;
use hdrhistogram::Histogram;
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// How often it is looked whether this program still wakes up in time.
const LOOK: Duration = Duration::from_millis(10);
/// Above this share of all cores, or waking up later than this, it was the limit.
const BUSY: f64 = 0.8;
const LATE: Duration = Duration::from_millis(10);

/// Watches this program while it loads a server.
pub(super) struct Generator {
    cpu: Option<Duration>,
    late: Arc<Mutex<Histogram<u64>>>,
    watch: JoinHandle<()>,
}

/// What this program took.
#[derive(Debug)]
pub(super) struct Effort {
    /// Cores that were busy; `None` where the system does not say.
    pub(super) busy: Option<f64>,
    pub(super) cores: usize,
    /// How late it woke up, in 99 of 100 cases at most.
    pub(super) late: Duration,
}

impl Generator {
    pub(super) fn start() -> Result<Self, Failure> {
        let late = Arc::new(Mutex::new(histogram()?));
        let watch = tokio::spawn(look(Arc::clone(&late)));
        Ok(Self { cpu: cpu(), late, watch })
    }

    pub(super) fn stop(self, window: Duration) -> Effort {
        self.watch.abort();
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let used = self.cpu.zip(cpu()).map(|(before, now)| now.saturating_sub(before));
        Effort {
            busy: used.map(|used| used.as_secs_f64() / window.as_secs_f64()),
            cores: available_parallelism().map_or(1, std::num::NonZero::get),
            late: Duration::from_nanos(late.value_at_quantile(0.99)),
        }
    }
}

impl Effort {
    /// Why the figures may be those of this program.
    pub(super) fn warning(&self) -> Option<String> {
        let Self { busy, cores, late } = self;
        let share = busy.map(|busy| busy / cores_f64(*cores));
        if let Some(busy) = busy.filter(|_| share.is_some_and(|share| share > BUSY)) {
            return Some(format!(
                "this program used {busy:.1} of {cores} cores: it may be the limit, not the server"
            ));
        }
        (*late > LATE).then(|| {
            format!("this program woke up late by {late:.1?}: it, or its machine, may be the limit")
        })
    }
}

async fn look(late: Arc<Mutex<Histogram<u64>>>) {
    loop {
        let due = Instant::now() + LOOK;
        sleep_until(due).await;
        record(&mut late.lock().unwrap_or_else(PoisonError::into_inner), due.elapsed());
    }
}

fn cores_f64(cores: usize) -> f64 {
    f64::from(u32::try_from(cores).unwrap_or(u32::MAX))
}

/// CPU time of this program until now.
#[cfg(unix)]
fn cpu() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(unix))]
const fn cpu() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effort(busy: Option<f64>, late: Duration) -> Effort {
        Effort { busy, cores: 2, late }
    }

    #[test]
    fn a_busy_or_a_late_generator_is_said_and_an_idle_one_is_not() {
        let soon = Duration::from_millis(1);
        assert!(effort(Some(1.0), soon).warning().is_none());
        assert!(effort(None, soon).warning().is_none());
        assert!(effort(Some(1.9), soon).warning().unwrap().contains("1.9 of 2 cores"));
        assert!(effort(None, Duration::from_millis(30)).warning().unwrap().contains("30.0ms"));
    }
}
