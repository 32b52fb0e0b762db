"""Acknowledgements, the rate and the heartbeat (docs/protocol.md, 6, 9 and 12)."""

from __future__ import annotations

import math

ACK_MS = 250
"""How long a bare `$ack` may wait for a message that it could ride on."""
_ACK_FRAMES = 32
_SLEPT_MS = 5000
PROBE_MS = 3000
"""The server gets this long after a sleep, or when there is a reason to doubt."""


class Inbox:
    """What was received of the server's session stream, and when to say so."""

    def __init__(self) -> None:
        self.last = 0
        self.due = math.inf
        """When a bare `$ack` is due; `-inf` is now."""
        self._told = 0
        self._owed = 0
        self._again = False

    def receive(self, seq: int, now: float) -> bool | None:
        """True for the next frame in turn, false for a duplicate, `None` where one is missing."""
        if seq > self.last + 1:
            return None
        is_new = seq > self.last
        if is_new:
            self.last = seq
        else:
            self._again = True
        self._owed += 1
        self.due = -math.inf if self._owed >= _ACK_FRAMES else min(self.due, now + ACK_MS)
        return is_new

    def tell(self) -> int | None:
        """What an `ack` has to say now, if there is anything. It counts as said."""
        is_news = self.last > self._told or (self._again and self.last > 0)
        self.settle()
        return self.last if is_news else None

    def settle(self) -> None:
        """Everything was said, with an `ack` or by the hello of a resume."""
        self._told = self.last
        self._owed = 0
        self._again = False
        self.due = math.inf


class Pace:
    """How fast messages may leave: a bucket of tokens, counted in thousandths."""

    def __init__(self, per_s: int, burst: int, now: int) -> None:
        self._per_s = max(1, per_s)
        self._full = self._tokens = burst * 1000
        self._at = now

    def due(self, now: int) -> int:
        """When there is a token: now, where there is one."""
        self._tokens = min(self._full, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        return now + -(-max(0, 1000 - self._tokens) // self._per_s)

    def spend(self, now: int) -> None:
        """Takes one; below zero for what cannot wait."""
        self.due(now)
        self._tokens -= 1000


class Alive:
    """Whether the server still lives: anything received counts."""

    def __init__(self, interval: int, timeout: int, now: int) -> None:
        self._interval = interval
        self._timeout = timeout
        self._asked = False
        self.due = now + interval

    def heard(self, now: int) -> None:
        """A message came."""
        self.due = now + self._interval
        self._asked = False

    def check(self, now: int) -> bool | None:
        """True when a `$ping` is due, `None` when the server is dead."""
        if now < self.due:
            return False
        has_slept = now - self.due > _SLEPT_MS
        if self._asked and not has_slept:
            return None
        self.probe(now, PROBE_MS if has_slept else self._timeout)
        return True

    def probe(self, now: int, patience: int) -> None:
        """A `$ping` leaves: the server has `patience` milliseconds."""
        self.due = now + patience
        self._asked = True
