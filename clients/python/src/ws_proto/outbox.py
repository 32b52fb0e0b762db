"""What waits to be sent, and what was sent and is not acknowledged (docs/protocol.md, 6)."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import typing

from .wire import Head, Outgoing

if typing.TYPE_CHECKING:
    from .events import Call

FRAMES = 1024
BYTES = 262_144
_HEAD = 160
"""A header's share of a message's size, roughly."""


@dataclasses.dataclass(slots=True, eq=False)
class Queued(Outgoing):
    """A frame of the session stream."""

    call: Call | None = None
    """The call that takes this frame along when it is withdrawn."""
    credit: int = 0
    """The number of a `$credit`."""

    @property
    def size(self) -> int:
        """Bytes, for the bound."""
        return _HEAD + len(self.body)


class Outbox:
    """A place is given when a frame leaves: what ran out of time before leaves no hole."""

    def __init__(self) -> None:
        self._queue: collections.deque[Queued] = collections.deque()
        self._sent: collections.deque[Queued] = collections.deque()
        self._replayed = 0
        self._last_seq = 0
        self._bytes = 0

    def has_room(self, share: int = 1) -> bool:
        """Whether less than `share` times the bound is kept."""
        frames = len(self._queue) + len(self._sent)
        return frames < FRAMES * share and self._bytes < BYTES * share

    def push(self, frame: Queued) -> None:
        """Queues a frame."""
        self._bytes += frame.size
        self._queue.append(frame)

    def has_next(self) -> bool:
        """Whether anything may leave now."""
        return self._replayed < len(self._sent) or self._next() is not None

    def again(self) -> Queued | None:
        """A frame that was sent on a lost connection."""
        if self._replayed >= len(self._sent):
            return None
        self._replayed += 1
        return self._sent[self._replayed - 1]

    def take(self) -> Queued | None:
        """The next frame without a place: give it one with `place`, or drop it."""
        frame = self._next()
        if frame is not None:
            self._queue.remove(frame)
            self._bytes -= frame.size
        return frame

    def place(self, frame: Queued) -> None:
        """The frame leaves."""
        self._last_seq += 1
        frame.head.seq = self._last_seq
        self._bytes += frame.size
        self._sent.append(frame)
        self._replayed = len(self._sent)

    def acked(self, seq: int) -> bool:
        """The server has everything up to `seq`; false when that was never sent."""
        if seq > self._last_seq:
            return False
        while len(self._sent) > self._last_seq - seq:
            self._bytes -= self._sent.popleft().size
            self._replayed = max(0, self._replayed - 1)
        return True

    def can_replay_after(self, seq: int) -> bool:
        """Whether everything after `seq` is still kept."""
        return self._last_seq - len(self._sent) <= seq <= self._last_seq

    def rewind(self) -> None:
        """The connection was lost."""
        self._replayed = 0

    def restart(self) -> None:
        """The session is lost: of what waits only calls still mean anything."""
        self._sent.clear()
        self._replayed = self._last_seq = 0
        self._keep(lambda frame: frame.call is not None)

    def withdraw(self, call: Call) -> None:
        """Drops what belongs to a call that will not leave."""
        self._keep(lambda frame: frame.call is not call)

    def add_credit(self, call: Call, n: int, write: typing.Callable[[int], bytes]) -> bool:
        """Credit that waits becomes more; false when none does."""
        for frame in self._queue:
            if frame.call is call and frame.credit:
                self._bytes -= frame.size
                frame.credit += n
                frame.body = write(frame.credit)
                self._bytes += frame.size
                return True
        return False

    def _next(self) -> Queued | None:
        """While the server acknowledges too little, only what may end a request passes."""
        if len(self._sent) < FRAMES:
            return self._queue[0] if self._queue else None
        return next((frame for frame in self._queue if _passes(frame.head)), None)

    def _keep(self, is_kept: typing.Callable[[Queued], bool]) -> None:
        self._queue = collections.deque(filter(is_kept, self._queue))
        self._bytes = sum(frame.size for frame in itertools.chain(self._sent, self._queue))


def _passes(head: Head) -> bool:
    return head.type in ("$credit", "$cancel")
