"""The client's end of the conversation, pure (docs/protocol.md)."""

from __future__ import annotations

import collections
import dataclasses
import math
import typing

from . import events
from .arriving import is_placed, lacks, untimely
from .calls import Calls
from .events import By, Call, Config, Event, Reply
from .flow import PROBE_MS, Alive, Inbox, Pace
from .leaving import is_late, refusal
from .listening import Listening
from .outbox import Outbox, Queued
from .renewing import Renewing
from .serving import Answer, Request, Serving
from .wire import (
    Done,
    Envelope,
    Fault,
    Head,
    Hole,
    Json,
    Outcome,
    Outgoing,
    Position,
    advice,
    window,
)

_HELLO_MS = 5000
_PONGS = 1024
_STATES = typing.Literal["idle", "greeting", "open", "closing", "over"]


class Session:
    """Pure: no socket, no clock, no randomness, no task.

    Say the time with `at`, give an input, then poll `transmit`, `event` and `due` until each is
    empty. Times are milliseconds.
    """

    def __init__(self, config: Config) -> None:
        self.now = 0
        self.version = 0
        self.max_frame = 65_536
        self.serving = Serving(self, config.serves)
        self._config = config
        self._codec = config.codec
        self._listening = Listening(self)
        self._state: _STATES = "idle"
        self._until = 0
        self._closed: events.Closed | None = None
        self._urgent: collections.deque[Queued] = collections.deque()
        self._outbox = Outbox()
        self._inbox = Inbox()
        self._pace = Pace(1, 1, 0)
        self._alive = Alive(0, 0, 0)
        self._renewing = Renewing(self)
        self._events: collections.deque[Event] = collections.deque()
        self._calls = Calls()
        self._grant: tuple[str, str] | None = None

    def at(self, now: int) -> Session:
        """The time of the next input; it never goes back."""
        self.now = max(now, self.now)
        return self

    def connect(self, **more: typing.Any) -> None:
        """There is a connection: the hello leaves, with what `more` adds to it."""
        config = self._config
        hello: Json = {"protocol": config.protocol, "version": list(config.versions)}
        hello |= {name: value for name, value in more.items() if value is not None}
        if self._grant is not None:
            session, ticket = self._grant
            recv = self._inbox.last
            hello["resume"] = {"session": session, "ticket": ticket, "recv": recv}
        hello["limits"] = {"max_frame": config.max_frame, "window": config.window}
        self._inbox.settle()
        self._renewing = Renewing(self)
        self._state = "greeting"
        self._until = self.now + _HELLO_MS
        self._push_urgent("$hello", hello)

    def disconnected(self, code: int | None = None, reason: str = "") -> None:
        """The connection is over below the session; without a code it was lost."""
        self._urgent.clear()
        if self.is_connected():
            by: By = "network" if code is None else "peer"
            self._end(events.Closed(by, code or 1006, reason))

    def receive(self, envelope: Envelope | None) -> None:
        """A message arrived; `None` where it was no envelope."""
        if not self.is_connected():
            return
        self._alive.heard(self.now)
        code = 4500 if envelope is None else self._receive(envelope)
        if code is not None:
            self.close(code, "the server broke the protocol", "session")

    def close(self, code: int, reason: str, by: By = "application") -> None:
        """Ends the connection, and says so."""
        if self.is_connected():
            self._push_urgent("$close", {"code": code, "reason": reason})
            self._end(events.Closed(by, code, reason))

    def auth(self, token: str | None) -> bool:
        """Other credentials of the same principal; without any, asks for them again later."""
        if not self.is_open() or not self._renewing.can_send:
            return False
        if token is None:
            self._renewing.again()
        else:
            self._renewing.sent(self._push_urgent("$auth", {"token": token}))
        return True

    def call(self, call: Call) -> bool:
        """Asks or publishes. False where there is no room."""
        if not self.has_room():
            return False
        head = self.head(call.type, ch=call.ch, key=call.key)
        call.id = head.id
        self._calls.add(call)
        self._outbox.push(Queued(head, call.body, call))
        return True

    def cancel(self, call: Call) -> None:
        """Nobody waits for the answer any more."""
        if call not in self._calls:
            return
        if call.is_sent:
            return self._send_cancel(call)
        fault = Fault("cancelled", "cancelled before it was sent", "safe")
        self._settle(call, events.Faulted(fault, Outcome.NOT_SENT))

    def credit(self, call: Call, n: int) -> None:
        """The application takes `n` more items."""
        if call not in self._calls or self._outbox.add_credit(call, n, self._credit):
            return
        self._push(Queued(self.head("$credit", re=call.id), self._credit(n), call, n))

    def part(self, call: Call, body: bytes) -> bool:
        """The next part of an upload; false without credit or room."""
        if call not in self._calls:
            return True
        if call.parts == 0 or not self.has_room():
            return False
        call.parts -= 1
        self._outbox.push(Queued(self.head(f"{call.type}.part", re=call.id), body, call))
        return True

    def end_parts(self, call: Call) -> None:
        """No more parts follow."""
        if call not in self._calls or call.is_ended:
            return
        call.is_ended = True
        call.parts = 0
        body = self._codec.payload(None)
        self._outbox.push(Queued(self.head("$end", re=call.id), body, call))

    def subscribe(self, ch: str, since: Position | None = None) -> bool:
        """Listens to a channel. False where there is a subscription already, or no room."""
        return self._listening.subscribe(ch, since)

    def unsubscribe(self, ch: str) -> bool:
        """Leaves a channel. False where there is no subscription."""
        return self._listening.unsubscribe(ch)

    def consumed(self, ch: str, off: int) -> None:
        """The application has every event of the channel up to `off`."""
        self._listening.consumed(ch, off)

    def answer(self, request: Request, answer: Answer) -> None:
        """The application's answer to what the server asked."""
        self.serving.answer(request, answer)

    def probe(self) -> None:
        """Asks whether the server still lives, without waiting for the heartbeat."""
        if self.is_open() and self._alive.due > self.now + PROBE_MS:
            self._alive.probe(self.now, PROBE_MS)
            self._ping()

    def timeout(self) -> None:
        """Does what is due."""
        if self._state == "greeting" and self._until <= self.now:
            self.close(4303, "the handshake took too long", "session")
        for call in self._calls.late(self.now):
            if call.is_sent:
                self._send_cancel(call)
            self._settle(call, events.TimedOut(call.outcome))
        self.serving.check(self.now)
        if not self.is_open():
            return
        pulse = self._alive.check(self.now)
        if pulse:
            self._ping()
        if pulse is None:
            self.close(4002, "nothing was heard for too long", "session")
        if self.is_open():
            self._renewing.check()

    def transmit(self) -> Outgoing | None:
        """The next message to send."""
        return self._next_urgent() or self._next_in_turn()

    def event(self) -> Event | None:
        """The next thing to tell the application."""
        if self._events:
            return self._events.popleft()
        closed = self._closed
        if closed is None or self._urgent:
            return None
        self._state = "over"
        self._closed = None
        self._outbox.rewind()
        if advice(closed.code) in ("stop", "fresh_session"):
            self._lose()
        # What the end of the session settles is told after it.
        return closed

    def due(self) -> float:
        """When `timeout` is due."""
        due = min(self.serving.due(), self._calls.due())
        if self._state == "greeting":
            return min(due, self._until)
        if not self.is_open():
            return due
        pace = self._pace.due(self.now) if self._outbox.has_next() else math.inf
        for time in (self._inbox.due, self._listening.due, pace):
            # What is due already waits for the socket alone.
            if time > self.now:
                due = min(due, time)
        return min(due, self._alive.due, self._renewing.due)

    def is_open(self) -> bool:
        """Whether there was a welcome."""
        return self._state == "open"

    def is_connected(self) -> bool:
        """Whether there is a connection, with or without a welcome."""
        return self._state in ("greeting", "open")

    def has_room(self) -> bool:
        """Whether the application may send more."""
        return self._outbox.has_room()

    # What the parts of the session use.

    def push(self, type: str, payload: typing.Any, **about: typing.Any) -> str:
        """Queues a frame of the session stream; its `id`."""
        head = self.head(type, **about)
        self.push_body(head, self._codec.payload(payload))
        return head.id

    def push_body(self, head: Head, body: bytes) -> None:
        """The same, with a payload that was written."""
        self._push(Queued(head, body))

    def head(self, type: str, **about: typing.Any) -> Head:
        """A header with a fresh `id`."""
        return Head(type, self._config.id(), self._config.wall + self.now, **about)

    def tell(self, event: Event) -> None:
        """Tells the application."""
        self._events.append(event)

    # Receiving. Each gives the code to close with, or nothing.

    def _receive(self, it: Envelope) -> int | None:
        code = untimely(it.type, self.is_open())
        if code is not None:
            return code
        if it.ack is not None and not self._outbox.acked(it.ack):
            return 4006
        self.serving.start()
        if is_placed(it):
            if it.seq is None:
                return 4500
            is_new = self._inbox.receive(it.seq, self.now)
            if not is_new:
                return 4006 if is_new is None else None
        if lacks(it):
            return 4500
        return self._on_control(it) if it.type[0] == "$" else self._on_message(it)

    def _on_control(self, it: Envelope) -> int | None:
        payload, re, ch = it.payload, it.re or "", it.ch or ""
        match it.type:
            case "$welcome":
                return self._on_welcome(payload)
            case "$reject":
                fault = Fault.read(payload["error"])
                self.tell(events.Reject(payload))
                retry = None if fault.after_ms is None else (fault.after_ms, fault.after_ms)
                self._end(events.Closed("peer", payload["close"], fault.message, retry))
            case "$close":
                retry = window(payload.get("retry_after_ms"))
                self._end(events.Closed("peer", payload["code"], payload["reason"], retry))
            case "$ping":
                # Pongs are owed by the server's pings: one that reads none gets no more.
                if len(self._urgent) > _PONGS:
                    return 4003
                now = self._config.wall + self.now
                self._push_urgent("$pong", {"t": payload["t"], "now": now})
            case "$auth_ok":
                self._renewing.on_ok(re, payload.get("expires_in_ms"))
            case "$auth_required":
                self._renewing.on_required()
            case "$ok" | "$err" | "$credit":
                self._on_reply(it, self._calls.get(re), re)
            case "$cancel":
                self.serving.on_cancel(re)
            case "$unsubbed":
                self._listening.on_unsubbed(ch, Fault.read(payload, "reason"))
            case "$live":
                self._listening.on_live(ch, it.off or 0)
            case "$gap":
                self._listening.on_gap(ch, Hole.read(payload))
        return None

    def _on_reply(self, it: Envelope, call: Call | None, re: str) -> None:
        if it.type == "$credit":
            if call is not None and not call.is_ended:
                call.parts += it.payload["n"]
                self.tell(events.Granted(call, it.payload["n"]))
        elif it.type == "$ok":
            done = Done.read(it.payload)
            if call is not None:
                self._settle(call, events.Published(done))
            else:
                self._listening.on_ok(re, done)
        else:
            fault = Fault.read(it.payload)
            is_unknown = fault.retry == "unknown"
            outcome = Outcome.UNKNOWN if is_unknown else Outcome.NOT_PROCESSED
            if call is not None:
                self._settle(call, events.Faulted(fault, outcome))
            elif not self._renewing.on_err(re, fault):
                self._listening.on_err(re, fault)

    def _on_message(self, it: Envelope) -> int | None:
        if it.ch:
            is_sound = self._listening.on_snapshot(it) if it.re else self._listening.on_event(it)
            return None if is_sound else 4500
        if not it.re:
            self.serving.on_request(it)
            return None
        call = self._calls.get(it.re)
        if call is None:
            pass
        elif it.type == f"{call.type}.item":
            self.tell(events.Item(call, it.payload))
        elif it.type == f"{call.type}.ok":
            self._settle(call, events.Ok(it.payload))
        elif it.type == f"{call.type}.err":
            self._settle(call, events.Err(it.payload))
        else:
            text = f"`{call.type}` was answered with a `{it.type}`"
            fault = Fault("internal", text, "unknown")
            self._settle(call, events.Faulted(fault, Outcome.PROCESSED))
        return None

    def _on_welcome(self, welcome: Json) -> int | None:
        version, session, limits = welcome["version"], welcome["session"], welcome["limits"]
        low, high = self._config.versions
        if not low <= version <= high:
            return 4500
        self._state = "open"
        beat, rate = welcome["heartbeat"], limits["rate"]
        self._alive = Alive(beat["interval_ms"], beat["timeout_ms"], self.now)
        self.max_frame = limits["max_frame"]
        # A quarter in reserve: on their way messages bunch, and the server counts arrivals.
        burst = rate["burst"] - -(-rate["burst"] // 4)
        self._pace = Pace(rate["per_s"], max(1, burst), self.now)
        # The server counted the hello.
        self._pace.spend(self.now)
        grant, self._grant = self._grant, None
        if not session["resumed"]:
            self._lose()
        elif grant is None or version != self.version:
            return 4500
        elif not self._outbox.can_replay_after(welcome["recv"]):
            return 4006
        else:
            self._outbox.acked(welcome["recv"])
            self._inbox.settle()
            self._listening.resumed()
        self.version = version
        self._renewing.learned(welcome.get("auth", {}).get("expires_in_ms"))
        self._grant = (session["id"], session["ticket"])
        self.tell(events.Welcome(welcome))
        self._listening.ask_again()
        return None

    def _lose(self) -> None:
        """The session is lost: what left has its outcome now, and positions start anew."""
        self._grant = None
        self._outbox.restart()
        self._inbox = Inbox()
        for call in self._calls:
            if call.is_sent:
                self._settle(call, events.Lost(call.outcome))
        self.serving.abandon()
        self._listening.lost()

    def _end(self, closed: events.Closed) -> None:
        self._closed = closed
        self._state = "closing"

    def _next_urgent(self) -> Outgoing | None:
        if self._urgent:
            return self._leave(self._urgent.popleft())
        if not self.is_open() or min(self._inbox.due, self._listening.due) > self.now:
            return None
        ch = self._listening.tell(self.max_frame)
        body = self._codec.payload({"ch": ch} if ch else {})
        return self._leave(Queued(self.head("$ack"), body))

    def _next_in_turn(self) -> Outgoing | None:
        if not self.is_open() or self._pace.due(self.now) > self.now:
            return None
        again = self._outbox.again()
        if again is not None:
            return self._leave(again)
        while (frame := self._outbox.take()) is not None:
            if self._is_ready(frame):
                self._outbox.place(frame)
                return self._leave(frame)
        return None

    def _leave(self, frame: Queued) -> Outgoing:
        """What was received rides on what leaves."""
        self._pace.spend(self.now)
        ack = None if frame.head.type == "$hello" else self._inbox.tell()
        return Outgoing(dataclasses.replace(frame.head, ack=ack), frame.body)

    def _is_ready(self, frame: Queued) -> bool:
        """The last check before a frame leaves: false when its call was settled instead."""
        head, call = frame.head, frame.call
        if call is None:
            return True
        if call not in self._calls:
            return False
        if frame.credit:
            return True
        is_part = head.re is not None
        # Nor does the end leave where parts do not: it would be that of a shorter upload.
        if is_part and call.is_cancelled:
            return False
        if head.type == "$end":
            return True
        reply = refusal(call, head, frame.body, self.version, self.max_frame)
        if is_part and reply is not None:
            # An upload with a hole is worth nothing.
            self._send_cancel(call)
        elif not is_part:
            reply = reply or is_late(call, self.now)
        if reply is not None:
            self._settle(call, reply)
        if reply is not None or is_part:
            return reply is None
        call.is_sent = True
        if call.deadline < math.inf:
            head.ttl = math.ceil(call.deadline - self.now)
        return True

    def _push(self, frame: Queued) -> None:
        if self._outbox.has_room(2):
            return self._outbox.push(frame)
        # A session that leaves out a frame cannot go on: the next one begins anew.
        self._grant = None
        self.close(4003, "nothing was acknowledged for too long", "session")

    def _push_urgent(self, type: str, payload: Json) -> str:
        head = self.head(type)
        self._urgent.append(Queued(head, self._codec.payload(payload)))
        return head.id

    def _credit(self, n: int) -> bytes:
        return self._codec.payload({"n": n})

    def _ping(self) -> None:
        self._push_urgent("$ping", {"t": self.now})

    def _send_cancel(self, call: Call) -> None:
        if not call.is_cancelled:
            call.is_cancelled = True
            self.push("$cancel", None, re=call.id)

    def _settle(self, call: Call, reply: Reply) -> None:
        if self._calls.end(call):
            self.tell(events.Answered(call, reply))
        if not call.is_sent:
            self._outbox.withdraw(call)
