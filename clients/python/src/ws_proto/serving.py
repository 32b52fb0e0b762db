"""What the server asks: in what order it starts, and its one answer (docs/protocol.md, 7)."""

from __future__ import annotations

import dataclasses
import math
import typing

from .events import Asked, Port, Served, Stopped
from .wire import Envelope, Fault, Word

_IN_FLIGHT = 64
_QUEUED = 256
_BYTES = 4_194_304
_HEAD = 512
"""A header's share of a message's size, generously."""


@dataclasses.dataclass(slots=True, eq=False)
class Request:
    """What the server asks."""

    type: str
    payload: typing.Any
    id: str
    size: int
    deadline: float
    is_started: bool = False
    is_answered: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The one answer of a request: `ok` or `err` with a written payload, or a fault."""

    word: typing.Literal["ok", "err", "fault"]
    body: bytes = b""
    fault: Fault | None = None


class Serving:
    """The requests of the server. What waits and what is worked on is bounded."""

    def __init__(self, port: Port, serves: typing.Mapping[str, Served]) -> None:
        self.in_flight = _IN_FLIGHT
        self.queued = _QUEUED
        self._port = port
        self._serves = serves
        self._all: dict[str, Request] = {}

    def on_request(self, it: Envelope) -> None:
        """A request came."""
        served = self._serves.get(it.type)
        if served is None or not served.since <= self._port.version < served.removed:
            return self._fault(it.id, "unimplemented", "never", f"no request `{it.type}`")
        if it.id in self._all:
            text = "a request with this `id` is being worked on"
            return self._fault(it.id, "invalid", "never", text)
        waiting = sum(not request.is_started for request in self._all.values())
        size = sum(request.size for request in self._all.values()) + it.size
        if waiting >= self.queued or size > _BYTES:
            text = "too many requests wait for their turn"
            return self._fault(it.id, "overloaded", "safe", text)
        deadline = math.inf if it.ttl is None else self._port.now + it.ttl
        self._all[it.id] = Request(it.type, it.payload, it.id, it.size, deadline)
        self.start()

    def start(self) -> None:
        """Starts what may start."""
        if not self._all:
            return
        running = sum(request.is_started for request in self._all.values())
        for request in self._all.values():
            if running >= self.in_flight or not self._port.has_room():
                return
            if not request.is_started:
                request.is_started = True
                running += 1
                self._port.tell(Asked(request))

    def answer(self, request: Request, answer: Answer) -> None:
        """The application's answer. One to a request that was answered already goes nowhere."""
        is_open = self._all.get(request.id) is request and not request.is_answered
        self._drop(request)
        if is_open and answer.fault is not None:
            self._port.push("$err", answer.fault.payload(), re=request.id)
        elif is_open and len(answer.body) + _HEAD > self._port.max_frame:
            self._fault(request.id, "too_large", "unknown", "the answer is too large")
        elif is_open:
            head = self._port.head(f"{request.type}.{answer.word}", re=request.id)
            self._port.push_body(head, answer.body)
        self.start()

    def on_cancel(self, re: str) -> None:
        """The server no longer wants an answer."""
        request = self._all.get(re)
        if request is None or request.is_answered:
            return
        if request.is_started:
            return self._port.tell(Stopped(request, "cancelled"))
        self._drop(request)
        self._fault(re, "cancelled", "safe", "cancelled before it was started")

    def check(self, now: int) -> None:
        """Answers what ran out of time."""
        for request in [it for it in self._all.values() if it.deadline <= now]:
            request.deadline = math.inf
            retry: Word = "unknown" if request.is_started else "safe"
            if request.is_started:
                request.is_answered = True
                self._port.tell(Stopped(request, "deadline"))
            else:
                self._drop(request)
            self._fault(request.id, "deadline", retry, "the time of this request ran out")

    def due(self) -> float:
        """When `check` is due."""
        return min((it.deadline for it in self._all.values()), default=math.inf)

    def abandon(self) -> None:
        """The session is lost: what the server asked in it is stopped."""
        running = [it for it in self._all.values() if it.is_started and not it.is_answered]
        self._all = {id: it for id, it in self._all.items() if it.is_started}
        for request in self._all.values():
            request.is_answered = True
            request.deadline = math.inf
        for request in running:
            self._port.tell(Stopped(request, "cancelled"))

    def _fault(self, re: str, code: str, retry: Word, message: str) -> None:
        self._port.push("$err", Fault(code, message, retry).payload(), re=re)

    def _drop(self, request: Request) -> None:
        if self._all.get(request.id) is request:
            del self._all[request.id]
