"""The calls that have no outcome yet, and when their time is over (docs/protocol.md, section 7)."""

from __future__ import annotations

import heapq
import itertools
import math
import typing

from .events import Call

_SLACK = 64


class Calls:
    """Open calls by `id`, and by deadline."""

    def __init__(self) -> None:
        self._open: dict[str, Call] = {}
        # The next deadline first; calls that ended meanwhile are passed over.
        self._deadlines: list[tuple[float, int, Call]] = []
        self._count = itertools.count()

    def add(self, call: Call) -> None:
        """A call begins; its `id` was given."""
        self._open[call.id] = call
        if len(self._deadlines) > 2 * len(self._open) + _SLACK:
            # One call that waits for long would keep all those that ended behind it.
            self._deadlines = [entry for entry in self._deadlines if entry[2] in self]
            heapq.heapify(self._deadlines)
        if call.deadline < math.inf:
            heapq.heappush(self._deadlines, (call.deadline, next(self._count), call))

    def end(self, call: Call) -> bool:
        """A call has its outcome; false where it had one."""
        return self._open.pop(call.id, None) is not None

    def get(self, id: str) -> Call | None:
        """The open call with this `id`."""
        return self._open.get(id)

    def __contains__(self, call: Call) -> bool:
        return self._open.get(call.id) is call

    def __iter__(self) -> typing.Iterator[Call]:
        return iter(list(self._open.values()))

    def due(self) -> float:
        """When the next call runs out of time."""
        while self._deadlines and self._deadlines[0][2] not in self:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else math.inf

    def late(self, now: int) -> typing.Iterator[Call]:
        """Each call whose time is over: end it before the next one is taken."""
        while self.due() <= now:
            yield heapq.heappop(self._deadlines)[2]
