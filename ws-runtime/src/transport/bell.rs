//! Whether a stream may have something to read. A driver asks for messages in each of its turns,
//! and most turns begin because there is something to write: to go through the codec down to the
//! stream only to hear that nothing came costs more than to write.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

/// Rings when the stream may have more to read, and says whether it has rung.
#[derive(Debug)]
pub(super) struct Bell {
    cord: Arc<Cord>,
    /// The stream had nothing, and pulls the cord when it has.
    is_set: bool,
}

#[derive(Debug)]
struct Cord {
    is_pulled: AtomicBool,
    /// Whose turn it is then.
    task: Mutex<Option<Waker>>,
}

impl Bell {
    pub(super) fn new() -> Self {
        let cord = Cord { is_pulled: AtomicBool::new(false), task: Mutex::default() };
        Self { cord: Arc::new(cord), is_set: false }
    }

    /// What to give to the stream that is read; `None` where it said that it has nothing, and has
    /// not rung since. The task is woken when it does.
    pub(super) fn answer(&mut self, cx: &Context<'_>) -> Option<Waker> {
        self.cord.is_for(cx.waker());
        // After the task is told: who pulls from here on wakes it.
        if self.is_set && !self.cord.is_pulled.load(Ordering::Acquire) {
            return None;
        }
        // Before the stream is asked: what comes from here on rings again.
        self.cord.is_pulled.swap(false, Ordering::AcqRel);
        self.is_set = false;
        Some(Waker::from(Arc::clone(&self.cord)))
    }

    /// The stream had nothing, and has kept what [`Bell::answer`] gave.
    pub(super) fn set(&mut self) {
        self.is_set = true;
    }
}

impl Cord {
    fn is_for(&self, waker: &Waker) {
        // Nothing under this lock can panic.
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }
}

impl Wake for Cord {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_pulled.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Not under the lock: a task may run where it is woken.
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_stream_that_had_nothing_is_not_read_before_it_rings() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        let mut bell = Bell::new();
        assert!(bell.answer(&cx).is_some(), "nobody has asked the stream");
        let given = bell.answer(&cx).unwrap();
        bell.set();
        assert!(bell.answer(&cx).is_none());
        given.wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(bell.answer(&cx).is_some());
        bell.set();
        assert!(bell.answer(&cx).is_none(), "it has rung once");
    }

    #[test]
    fn a_ring_before_the_stream_says_that_it_has_nothing_counts() {
        let mut bell = Bell::new();
        let cx = Context::from_waker(Waker::noop());
        bell.answer(&cx).unwrap().wake();
        bell.set();
        assert!(bell.answer(&cx).is_some());
    }

    #[test]
    fn the_task_that_asked_last_is_woken() {
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        let wakers = counts.clone().map(Waker::from);
        let mut bell = Bell::new();
        let given = bell.answer(&Context::from_waker(&wakers[0])).unwrap();
        bell.set();
        assert!(bell.answer(&Context::from_waker(&wakers[1])).is_none());
        given.wake();
        assert_eq!(counts.map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
    }
}
