//! What was read of a stream before the codec asked for it.
//!
//! The codec asks for a few bytes at a time, so that an idle connection keeps a small buffer. A
//! system call for each would be dear: one read takes what the system has, into memory that all
//! connections of a thread share, and the rest waits here until it is asked for.

use bytes::Bytes;
use std::{
    cell::Cell,
    io, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes of one read.
const READ: usize = 64 * 1024;
/// What is left of a read and not longer than this moves to memory of its own; of more than that
/// the copy would cost more than new memory for the thread.
const COPIED: usize = 4 * 1024;

thread_local! {
    /// Nobody's between two reads.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes that were read and not yet asked for. Empty, it keeps no memory.
#[derive(Default)]
pub(super) struct Ahead {
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Ahead {
    /// What somebody else had read of the stream before.
    pub(super) fn new(read: &Bytes) -> Self {
        Self { bytes: read.to_vec(), begin: 0, end: read.len() }
    }

    /// Gives what is there, but at most so many bytes, or else reads.
    pub(super) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<()>> {
        if self.begin == self.end {
            ready!(self.poll_fill(stream, cx))?;
        }
        let count = buf.remaining().min(self.end - self.begin).min(most);
        buf.put_slice(&self.bytes[self.begin..self.begin + count]);
        self.begin += count;
        self.settle();
        Poll::Ready(Ok(()))
    }

    /// What was read and not yet asked for.
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.begin..self.end]
    }

    /// So many bytes of that were taken. What is left stays where it is until [`Ahead::settle`].
    pub(super) fn taken(&mut self, count: usize) {
        self.begin += count;
        if self.begin == self.end {
            self.settle();
        }
    }

    /// Reads once, behind what is there: less than [`COPIED`] bytes.
    pub(super) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.settle();
        // Taken, so that a stream that reads from another one of ours finds none.
        let mut scratch = SCRATCH.take();
        scratch.resize(READ, 0);
        let rest = self.unread().len();
        scratch[..rest].copy_from_slice(self.unread());
        let mut read = ReadBuf::new(&mut scratch[rest..]);
        let polled = Pin::new(stream).poll_read(cx, &mut read);
        let count = if matches!(polled, Poll::Ready(Ok(()))) { read.filled().len() } else { 0 };
        if count == 0 {
            SCRATCH.set(scratch);
        } else {
            (self.bytes, self.begin, self.end) = (scratch, 0, rest + count);
        }
        polled
    }

    /// Keeps what is still to be asked for, and no more.
    pub(super) fn settle(&mut self) {
        let is_shared = self.bytes.len() == READ;
        let rest = &self.bytes[self.begin..self.end];
        let own = if rest.is_empty() {
            Vec::new()
        } else if is_shared && rest.len() <= COPIED {
            rest.to_vec()
        } else {
            return;
        };
        (self.begin, self.end) = (0, own.len());
        let before = mem::replace(&mut self.bytes, own);
        if is_shared {
            SCRATCH.set(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Everything that comes in pieces of this size.
    fn read_all(ahead: &mut Ahead, mut stream: &[u8], piece: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut bytes = vec![0; piece];
            let mut buf = ReadBuf::new(&mut bytes);
            let mut cx = Context::from_waker(Waker::noop());
            assert!(ahead.poll_read(&mut stream, &mut cx, &mut buf, usize::MAX).is_ready());
            if buf.filled().is_empty() {
                return all;
            }
            all.extend_from_slice(buf.filled());
        }
    }

    #[test]
    fn bytes_keep_their_order_whatever_the_size_of_the_pieces() {
        let sent: Vec<u8> = (0..=250).cycle().take(3 * READ + 100).collect();
        for piece in [97, 1024, COPIED, READ, 2 * READ] {
            let mut ahead = Ahead::new(&Bytes::from_static(b"before"));
            let read = read_all(&mut ahead, &sent, piece);
            assert!(read == [b"before", &*sent].concat(), "in pieces of {piece}");
            assert_eq!(ahead.bytes.capacity(), 0, "nothing waits, and keeps no memory");
        }
    }

    #[test]
    fn a_short_rest_leaves_the_shared_memory() {
        let mut ahead = Ahead::default();
        let mut piece = [0; 100];
        for (sent, kept) in [(1_000, 900), (COPIED + 101, READ)] {
            let mut cx = Context::from_waker(Waker::noop());
            let sent = vec![7; sent];
            let mut buf = ReadBuf::new(&mut piece);
            assert!(ahead.poll_read(&mut &*sent, &mut cx, &mut buf, usize::MAX).is_ready());
            assert_eq!(ahead.bytes.len(), kept);
            ahead = Ahead::default();
        }
    }

    #[test]
    fn a_stream_that_has_nothing_or_fails_costs_nothing() {
        let (mut near, far) = tokio::io::duplex(16);
        let mut ahead = Ahead::default();
        let mut cx = Context::from_waker(Waker::noop());
        let mut bytes = [0; 8];
        let mut buf = ReadBuf::new(&mut bytes);
        assert!(ahead.poll_read(&mut near, &mut cx, &mut buf, 8).is_pending());
        assert_eq!(ahead.bytes.capacity(), 0);
        drop(far);
        assert!(read_all(&mut ahead, &[], 8).is_empty());
        assert_eq!(ahead.bytes.capacity(), 0);
    }
}
