//! Two transports in one process, without sockets and without a runtime.

use super::{Lost, Received, Transport, closing_words};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use ws_proto::{CloseCode, Format, Limits};

/// One end of a connection in memory; see [`pair`].
///
/// What one end sends is unwritten until the other end takes it, so a peer that never reads looks
/// the same as on a socket. A flush is ready at once: there is nobody else to hand over to.
pub struct Memory {
    format: Format,
    limits: Limits,
    sending: Arc<Mutex<Lane>>,
    receiving: Arc<Mutex<Lane>>,
    said_goodbye: bool,
    ended: bool,
}

/// Two ends of one connection. `limits.write_buffer` bounds what each end may have queued, and
/// `limits.max_frame` what it takes.
///
/// ```
/// use ws_proto::{Format, Limits};
/// use ws_runtime::transport::{Transport, memory};
///
/// let (mut client, server) = memory::pair(Format::Json, &Limits::default());
/// client.start_send(b"{}")?;
/// assert_eq!((client.unwritten(), server.unwritten()), (2, 0));
/// # Ok::<(), ws_runtime::transport::Lost>(())
/// ```
#[must_use]
pub fn pair(format: Format, limits: &Limits) -> (Memory, Memory) {
    let (there, back) = (Arc::<Mutex<Lane>>::default(), Arc::<Mutex<Lane>>::default());
    let end = |sending: &Arc<_>, receiving: &Arc<_>| Memory {
        format,
        limits: *limits,
        sending: Arc::clone(sending),
        receiving: Arc::clone(receiving),
        said_goodbye: false,
        ended: false,
    };
    (end(&there, &back), end(&back, &there))
}

impl Memory {
    fn sendable(&self) -> Result<MutexGuard<'_, Lane>, Lost> {
        let lane = lock(&self.sending);
        if self.said_goodbye {
            Err(Lost("this end has closed".into()))
        } else if lane.reader_gone {
            Err(Lost("the other end is gone".into()))
        } else {
            Ok(lane)
        }
    }
}

impl Transport for Memory {
    fn format(&self) -> Format {
        self.format
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        if self.ended {
            return Poll::Ready(Received::Lost("the connection has ended".into()));
        }
        let item = {
            let mut lane = lock(&self.receiving);
            match lane.take(self.limits.write_buffer) {
                Some(item) => item,
                None if lane.writer_gone => {
                    Item::Last(Received::Lost("the other end is gone".into()))
                }
                None => {
                    lane.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        };
        Poll::Ready(match item {
            Item::Message(message) if message.len() <= self.limits.max_frame => {
                Received::Message(message)
            }
            Item::Message(_) => {
                self.ended = true;
                Received::TooLarge
            }
            Item::Last(last) => {
                self.ended = true;
                last
            }
        })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let mut lane = match self.sendable() {
            Ok(lane) => lane,
            Err(lost) => return Poll::Ready(Err(lost)),
        };
        if lane.bytes < self.limits.write_buffer {
            return Poll::Ready(Ok(()));
        }
        lane.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn start_send(&mut self, message: &[u8]) -> Result<(), Lost> {
        let mut lane = self.sendable()?;
        lane.bytes += message.len();
        lane.put(Item::Message(Bytes::copy_from_slice(message)));
        Ok(())
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let gone = lock(&self.sending).reader_gone;
        Poll::Ready(if gone { Err(Lost("the other end is gone".into())) } else { Ok(()) })
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, close: Option<(CloseCode, &str)>) -> Poll<()> {
        if !self.said_goodbye {
            self.said_goodbye = true;
            let words = closing_words(close);
            lock(&self.sending).put(Item::Last(Received::Closed {
                code: words.map(|(code, _)| code),
                reason: words.map_or_else(String::new, |(_, reason)| reason.to_owned()),
            }));
        }
        while !self.ended {
            if self.poll_recv(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn unwritten(&self) -> usize {
        lock(&self.sending).bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut sending = lock(&self.sending);
        sending.writer_gone = true;
        wake(&mut sending.reader);
        drop(sending);
        let mut receiving = lock(&self.receiving);
        receiving.reader_gone = true;
        receiving.queue.clear();
        receiving.bytes = 0;
        wake(&mut receiving.writer);
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("format", &self.format).finish_non_exhaustive()
    }
}

/// One direction.
#[derive(Default)]
struct Lane {
    queue: VecDeque<Item>,
    bytes: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
    reader_gone: bool,
    writer_gone: bool,
}

enum Item {
    Message(Bytes),
    Last(Received),
}

impl Lane {
    fn put(&mut self, item: Item) {
        if !self.reader_gone {
            self.queue.push_back(item);
            wake(&mut self.reader);
        }
    }

    fn take(&mut self, capacity: usize) -> Option<Item> {
        let item = self.queue.pop_front()?;
        if let Item::Message(message) = &item {
            self.bytes -= message.len();
            if self.bytes < capacity {
                wake(&mut self.writer);
            }
        }
        Some(item)
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

// Nothing between lock and unlock can leave a lane half changed, so a poisoned one is sound.
fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_reader_that_is_gone_are_forgotten() {
        let (mut a, b) = pair(Format::Json, &Limits::default());
        a.start_send(b"12345").unwrap();
        assert_eq!(a.unwritten(), 5);
        drop(b);
        assert_eq!(a.unwritten(), 0);
        assert!(a.start_send(b"6").is_err());
    }
}
