"""What a subscription gives, in the order of the channel (docs/protocol.md, section 8)."""

from __future__ import annotations

import asyncio
import dataclasses
import typing

from . import events as ev
from .contract import Schema
from .errors import CallError, PayloadError
from .feed import Feed
from .wire import Fault, Outcome, Position

E = typing.TypeVar("E")
S = typing.TypeVar("S")
E_co = typing.TypeVar("E_co", covariant=True)
S_co = typing.TypeVar("S_co", covariant=True)


@dataclasses.dataclass(frozen=True)
class Event(typing.Generic[E_co]):
    """An event of the channel."""

    name: str
    payload: E_co
    off: int | None = None
    """Its position, on a channel that has positions."""


@dataclasses.dataclass(frozen=True)
class Snapshot(typing.Generic[S_co]):
    """Start over from this state. It stands for every event that is missing before it."""

    state: S_co


@dataclasses.dataclass(frozen=True)
class Gap:
    """Events that will never come: loss is said, never silent.

    `trimmed`: the log no longer keeps them. `epoch`: the history was lost or made anew. `slow`: a
    connection was behind, or away, on a channel that does not keep its events.
    """

    reason: str
    after: int | None = None
    until: int | None = None
    """Nothing after `after`, up to and including this one, will come."""
    dropped: int | None = None
    """How many were dropped, where that is known."""


@dataclasses.dataclass(frozen=True)
class Live:
    """The replay is over; what follows happens now."""

    off: int


@dataclasses.dataclass(frozen=True)
class Unknown:
    """An event that this client does not know; its position counts."""

    name: str
    payload: typing.Any
    off: int | None = None


@dataclasses.dataclass(frozen=True)
class Invalid:
    """An event, or a snapshot, whose payload is not what its type says."""

    name: str
    error: PayloadError
    off: int | None = None


@dataclasses.dataclass(frozen=True)
class Ended:
    """The server ended the subscription, or the client stopped. Nothing follows."""

    code: str
    reason: str


Item = Event[E] | Snapshot[S] | Gap | Live | Unknown | Invalid | Ended


class Subscription(Feed[Item[E, S]]):
    """What happens on a channel: read it with `async for`.

    An item counts as consumed when the next one is asked for. Leaving the `async with` leaves the
    channel.
    """

    def __init__(
        self,
        ch: str,
        schema: Schema,
        window: int,
        consumed: typing.Callable[[int | None], None],
        left: typing.Callable[[], None],
    ) -> None:
        super().__init__(consumed)
        self.ch = ch
        self._left = left  # type: ignore[method-assign]
        self._kind = ch.split("/", 1)[0]
        self._schema = schema
        self._window = window
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Who does not wait for it reads the same error in the loop.
        self._ready.add_done_callback(lambda it: it.cancelled() or it.exception())
        self._stands = False
        self._state: tuple[typing.Any] | None = None
        self.position: Position | None = None
        """Where the subscription stood when the server last answered."""

    async def ready(self) -> typing.Self:
        """Waits until the subscription stands; raises a `CallError` when it is refused."""
        await asyncio.shield(self._ready)
        return self

    def take(self, event: ev.About) -> bool:
        """What the session tells. False where the server sends more than the window."""
        match event:
            case ev.Subscribed(_, done):
                self.position = done.position
                missed = done.recovered is not True if self._stands else done.recovered is False
                off = done.position.off if done.position else None
                if not self._start_over(off) and missed:
                    self._push(Gap(done.reason or "slow"))
                self._stands = True
                if not self._ready.done():
                    self._ready.set_result(None)
            case ev.State(_, payload):
                self._state = (payload,)
            case ev.Delivered():
                return self._deliver(event)
            case ev.Missed(_, hole):
                if hole.reason == "version":
                    # Nothing that this version has is missing.
                    self._push_position(hole.until)
                elif not self._start_over(hole.until):
                    gap = Gap(hole.reason, hole.after, hole.until, hole.dropped)
                    self._push(gap, hole.until)
                return len(self) <= 2 * self._window
            case ev.CaughtUp(_, off):
                self._push(Live(off))
                return len(self) <= 2 * self._window
            case ev.NotSubscribed(_, fault) if not self._stands:
                self._refuse(fault)
            case ev.NotSubscribed(_, fault) | ev.Dropped(_, fault):
                self.end(fault.code, fault.message)
            case ev.Unsubscribed():
                pass
        return True

    def end(self, code: str, reason: str) -> None:
        """Nothing follows: the last item says why."""
        self._push(Ended(code, reason))
        if not self._ready.done():
            text = f"{self.ch}: {reason}"
            self._ready.set_exception(CallError("lost", Outcome.UNKNOWN, text))
        self._finish()

    def _deliver(self, event: ev.Delivered) -> bool:
        off = event.off
        if off is None and len(self) >= max(2, self._window):
            # The oldest events give way; in their place stands how many there were.
            self._replace_oldest(_counted)
        self._push(self._read(event), off)
        return off is None or len(self) <= 2 * self._window

    def _read(self, event: ev.Delivered) -> Item[E, S]:
        name = event.type.partition(".")[2]
        events = self._schema.contract.CHANNELS.get(self._kind, {})
        if name not in events:
            return Unknown(name, event.payload, event.off)
        try:
            payload = self._schema.read(events[name], event.type, event.payload)
        except PayloadError as error:
            return Invalid(name, error, event.off)
        return Event(name, payload, event.off)

    def _start_over(self, off: int | None) -> bool:
        """A snapshot stands for everything before it."""
        if self._state is None:
            return False
        payload, self._state = self._state[0], None
        model = self._schema.contract.SNAPSHOTS.get(self._kind, typing.Any)
        try:
            state = self._schema.read(model, f"{self._kind}.snapshot", payload)
        except PayloadError as error:
            self._push(Invalid("snapshot", error, off), off)
        else:
            self._push(Snapshot(state), off)
        return True

    def _refuse(self, fault: Fault) -> None:
        text = f"{self.ch}: {fault.code}: {fault.message}"
        error = CallError("fault", Outcome.NOT_PROCESSED, text, fault)
        if not self._ready.done():
            self._ready.set_exception(error)
        self._finish(error)


def _counted(oldest: object) -> Gap:
    dropped = (oldest.dropped or 0) if isinstance(oldest, Gap) else 1
    return Gap("slow", dropped=dropped + 1)
