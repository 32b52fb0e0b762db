"""The subscriptions: where each stands, and what was consumed (docs/protocol.md, section 8)."""

from __future__ import annotations

import dataclasses
import math
import typing

from .events import (
    CaughtUp,
    Delivered,
    Dropped,
    Missed,
    NotSubscribed,
    Port,
    State,
    Subscribed,
    Unsubscribed,
)
from .flow import ACK_MS
from .wire import Done, Envelope, Fault, Hole, Position

_ACK_EVENTS = 16
"""A bare `$ack` follows at once after this many consumed events of a channel."""
_ENTRY = 24
_RESERVE = 768
"""Bytes of one channel's place in an `$ack`, and what an `$ack` leaves free."""


@dataclasses.dataclass(slots=True, eq=False)
class _Subscription:
    at: Position | None
    """The last event taken; absent where there are no positions."""
    stage: typing.Literal["wanted", "asking", "live", "leaving"] = "wanted"
    out: str = ""
    """The `$sub` or `$unsub` that is out."""
    sub: str = ""
    """The last `$sub`."""
    again: bool = False
    """Left, and to be asked for anew behind the barrier."""
    told: int = 0
    snapshot: tuple[typing.Any] | None = None
    """What came before the answer to the `$sub`."""
    has_missed: bool = False
    """A connection was lost before the answer came."""


class Listening:
    """The subscriptions of one session, and of those after it."""

    def __init__(self, port: Port) -> None:
        self.due = math.inf
        """When a bare `$ack` is due."""
        self._port = port
        self._all: dict[str, _Subscription] = {}
        self._consumed: dict[str, int] = {}

    def subscribe(self, ch: str, since: Position | None) -> bool:
        """False where there is a subscription already, or no room."""
        it = self._all.get(ch)
        if it is not None:
            if it.stage != "leaving" or it.again:
                return False
            it.again, it.at = True, since
            return True
        if not self._port.has_room():
            return False
        self._all[ch] = it = _Subscription(since)
        if self._port.is_open():
            self._ask(ch, it)
        return True

    def unsubscribe(self, ch: str) -> bool:
        """False where there is no subscription."""
        it = self._all.get(ch)
        if it is None:
            return False
        if it.stage == "leaving":
            it.again = False
        elif it.stage == "wanted":
            self._forget(ch)
            self._port.tell(Unsubscribed(ch))
        else:
            it.stage = "leaving"
            it.out = self._port.push("$unsub", None, ch=ch)
            self._consumed.pop(ch, None)
        return True

    def consumed(self, ch: str, off: int) -> None:
        """The application has everything up to `off`."""
        it = self._all.get(ch)
        # A position above the last event belongs to an earlier history of the channel.
        if it is None or it.stage != "live" or it.at is None or not it.told < off <= it.at.off:
            return
        is_many = off - it.told >= _ACK_EVENTS
        self._owe(ch, off, -math.inf if is_many else self._port.now + ACK_MS)

    def tell(self, max_frame: int) -> dict[str, int]:
        """The channels of an `$ack`, as many as fit; the rest follows in the next one."""
        said: dict[str, int] = {}
        size = _RESERVE
        for ch, off in list(self._consumed.items()):
            size += len(ch) + _ENTRY
            if size > max_frame and said:
                break
            said[ch] = off
            del self._consumed[ch]
            it = self._all.get(ch)
            if it is not None:
                it.told = max(it.told, off)
        self.due = -math.inf if self._consumed else math.inf
        return said

    def ask_again(self) -> None:
        """A fresh connection: everything that is wanted is asked for."""
        for ch, it in self._all.items():
            if it.stage == "wanted":
                self._ask(ch, it)

    def resumed(self) -> None:
        """The session goes on. Of best-effort channels nobody knows what was missed."""
        for ch, it in self._all.items():
            if it.stage == "live" and it.at is None:
                self._port.tell(Missed(ch, Hole("slow")))
            elif it.stage == "asking":
                it.has_missed = True

    def lost(self) -> None:
        """The session is lost: what is live is wanted again, what was being left has ended."""
        self._consumed.clear()
        self.due = math.inf
        for ch, it in list(self._all.items()):
            it.has_missed = False
            if it.stage == "leaving":
                if not it.again:
                    del self._all[ch]
                self._port.tell(Unsubscribed(ch))
            it.stage = "wanted"
            it.again = False

    def on_ok(self, re: str, done: Done) -> None:
        """A `$sub` or an `$unsub` succeeded."""
        ch, it = self._out(re)
        if it is None:
            return
        if it.stage != "asking":
            return self._left(ch, it)
        it.stage = "live"
        it.at = done.position
        it.told = done.position.off if done.position else 0
        has_missed = it.has_missed and done.position is None
        it.has_missed = False
        if it.snapshot is not None:
            self._port.tell(State(ch, it.snapshot[0]))
        it.snapshot = None
        self._port.tell(Subscribed(ch, done))
        if has_missed:
            self._port.tell(Missed(ch, Hole("slow")))

    def on_err(self, re: str, fault: Fault) -> None:
        """A `$sub` or an `$unsub` was refused."""
        ch, it = self._out(re)
        if it is None:
            return
        if it.stage != "asking":
            return self._left(ch, it)
        self._forget(ch)
        self._port.tell(NotSubscribed(ch, fault))

    def on_unsubbed(self, ch: str, fault: Fault) -> None:
        """The server ended a subscription."""
        it = self._all.get(ch)
        # While it is being left, the barrier is still to come.
        if it is None or it.stage not in ("live", "asking"):
            return
        self._forget(ch)
        self._port.tell(Dropped(ch, fault))

    def on_event(self, event: Envelope) -> bool:
        """An event; false when it lacks its position."""
        ch, off = event.ch or "", event.off
        it = self._live(ch)
        if it is None:
            return True
        if it.at is None:
            off = None
        elif off is None or event.prev is None:
            return False
        else:
            if self._is_old(ch, it, it.at, off):
                return True
            if event.prev != it.at.off:
                self._lost_between(ch, it.at.off, event.prev)
            it.at = Position(it.at.epoch, off)
        self._port.tell(Delivered(ch, event.type, event.payload, off))
        return True

    def on_gap(self, ch: str, hole: Hole) -> None:
        """Events that will never come."""
        it = self._live(ch)
        if it is None:
            return
        if it.at is not None and hole.until is not None:
            at = it.at
            if self._is_old(ch, it, at, hole.until):
                return
            it.at = Position(at.epoch, hole.until)
            if hole.after is not None and hole.after > at.off:
                # What lies between was in a gap whose word was lost with a connection.
                self._lost_between(ch, at.off, hole.after)
            elif hole.after is not None:
                hole = dataclasses.replace(hole, after=at.off)
        self._port.tell(Missed(ch, hole))

    def on_live(self, ch: str, off: int) -> None:
        """The replay is over."""
        if self._live(ch) is not None:
            self._port.tell(CaughtUp(ch, off))

    def on_snapshot(self, event: Envelope) -> bool:
        """A state: the answer to its `$sub` follows, or the events after `off` do."""
        ch, off = event.ch or "", event.off
        if off is None:
            return False
        it = self._all.get(ch)
        kind = ch.split("/", 1)[0]
        if it is None or it.sub != event.re or event.type != f"{kind}.snapshot":
            return True
        if it.stage == "asking":
            it.snapshot = (event.payload,)
        elif it.stage == "live" and it.at and not self._is_old(ch, it, it.at, off):
            self._port.tell(State(ch, event.payload))
            self._lost_between(ch, it.at.off, off)
            it.at = Position(it.at.epoch, off)
        return True

    def _ask(self, ch: str, it: _Subscription) -> None:
        it.stage = "asking"
        it.snapshot = None
        since = it.at and {"since": {"epoch": it.at.epoch, "off": it.at.off}}
        it.out = it.sub = self._port.push("$sub", since or {}, ch=ch)

    def _left(self, ch: str, it: _Subscription) -> None:
        self._port.tell(Unsubscribed(ch))
        if it.again:
            it.again = False
            self._ask(ch, it)
        else:
            self._forget(ch)

    def _lost_between(self, ch: str, after: int, until: int) -> None:
        self._port.tell(Missed(ch, Hole("trimmed", after, until)))

    def _is_old(self, ch: str, it: _Subscription, at: Position, off: int) -> bool:
        """A position that the client has: if it was consumed, the word of that was lost."""
        if off > at.off:
            return False
        if off <= it.told:
            self._owe(ch, off, self._port.now + ACK_MS)
        return True

    def _owe(self, ch: str, off: int, due: float) -> None:
        self._consumed[ch] = max(off, self._consumed.get(ch, 0))
        self.due = min(self.due, due)

    def _live(self, ch: str) -> _Subscription | None:
        it = self._all.get(ch)
        return it if it is not None and it.stage == "live" else None

    def _out(self, re: str) -> tuple[str, _Subscription | None]:
        for ch, it in self._all.items():
            if it.out == re and it.stage in ("asking", "leaving"):
                return ch, it
        return "", None

    def _forget(self, ch: str) -> None:
        del self._all[ch]
        self._consumed.pop(ch, None)
