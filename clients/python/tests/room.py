"""Runs one block of a page of docs/sessions: the client under test, and a recorded server."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import typing

import told
from recording import Frame, Recording
from short import ABSENT, Short, duration, is_within, position, said

from ws_proto.codec import Codec, named
from ws_proto.events import Call, Config, Event, Served
from ws_proto.serving import Answer, Request
from ws_proto.session import Session
from ws_proto.wire import Fault, Position

_FIELDS = ("seq", "ack", "off", "prev", "ttl", "ch", "key")


@dataclasses.dataclass
class Block:
    """A block of a page, with the numbers of its lines."""

    name: str
    lines: list[tuple[int, str]]

    def has(self, line: str) -> bool:
        """Whether this line stands in it."""
        return any(text == line for _, text in self.lines)


def blocks(name: str, text: str) -> list[Block]:
    """The blocks of a page that are marked `session`."""
    found: list[Block] = []
    is_open = False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line == "```session":
            found.append(Block(f"{name}:{number}", []))
            is_open = True
        elif line == "```":
            is_open = False
        elif is_open and line and not line.startswith("#"):
            found[-1].lines.append((number, line))
    return found


def run(block: Block, format: str) -> None:
    """Runs one block; fails with the line, what was expected, and what came."""
    room = Room(block, named(format))
    for number, text in [*block.lines, (0, "-- 0ms")]:
        try:
            room.step(text)
        except AssertionError as error:
            raise AssertionError(f"{block.name}, line {number}: {text}\n  {error}") from error


class Room:
    """The client under test, and the recording of its server."""

    def __init__(self, block: Block, codec: Codec) -> None:
        self._codec = codec
        self._is_scripted = block.has("peer S")
        self._now = 0
        self._server = Recording()
        self._labels: dict[str, str] = {}
        self._calls: dict[str, Call] = {}
        self._requests: list[Request] = []
        self._is_full = False
        self._ids = 0
        settings = {"version_min": 1, "version_max": 3, "max_frame": 65_536}
        for _, text in block.lines:
            match = re.fullmatch(r"config C (\w+)=(\d+)", text)
            if match:
                settings[match[1]] = int(match[2])
        self._session = Session(
            Config(
                protocol="chat",
                versions=(settings["version_min"], settings["version_max"]),
                id=self._id,
                codec=codec,
                wall=1_700_000_000_000,
                serves={"confirm": Served(), "locate": Served(since=2)},
                max_frame=settings["max_frame"],
            )
        )
        serving = self._session.serving
        serving.in_flight = settings.get("max_in_flight", serving.in_flight)
        serving.queued = settings.get("max_queued", serving.queued)

    def step(self, text: str) -> None:
        """Does one line."""
        first, _, rest = text.partition(" ")
        if first == "C:":
            self._expect_frame(Short.parse(rest), arrives=True)
        elif first == "C":
            self._of_client(rest)
        elif first == "S:":
            if self._is_scripted:
                self._expect_quiet()
            self._carry(self._write(self._recorded(rest)))
        elif first == "--":
            self._time(rest)
        elif first == "config":
            match = re.fullmatch(r"S (\w+)=(\d+)", rest)
            if match:
                self._server.config(match[1], int(match[2]))
        elif first == "S":
            self._of_server(rest)

    def _id(self) -> str:
        self._ids += 1
        return f"00000000-0000-4000-8000-{self._ids:012}"

    def _recorded(self, rest: str) -> Frame:
        return self._server.frame(Short.parse(rest), self._labels, self._is_scripted)

    def _of_server(self, rest: str) -> None:
        what, _, more = rest.partition(" ")
        if what == "app<":
            self._server.tell(Short.parse(more))
        elif what == "app>":
            self._server.command(Short.parse(more))
        elif what == "lost:":
            # It counts as sent, and does not arrive.
            self._recorded(more)
        elif what == "raw:":
            self._carry(more.encode())
        elif what == "breaks:":
            code = 4503 if more == "too_large" else 4504
            self._session.at(self._now).close(code, "as told", "session")

    def _of_client(self, rest: str) -> None:
        if rest in ("full", "free"):
            self._is_full = rest == "full"
            return
        what, _, more = rest.partition(" ")
        short = Short.parse(more)
        if what == "lost:":
            return self._expect_frame(short, arrives=False)
        if what == "app<":
            return self._expect_event(short)
        self._expect_quiet()
        is_taken = self._command(short)
        assert is_taken == (what == "app>"), "it was taken" if is_taken else "misuse"

    def _expect_frame(self, short: Short, *, arrives: bool) -> None:
        frame = self._transmit()
        assert frame is not None, "nothing was sent"
        sent = f"\n  sent: {json.dumps(frame)}"
        assert frame["type"] == short.type, f"another type{sent}"
        if short.label is not None:
            known = self._labels.setdefault(short.label, frame["id"])
            assert known == frame["id"], f"`#{short.label}` is another message{sent}"
        if short.re is not None:
            assert self._labels[short.re] == frame.get("re"), f"another `re`{sent}"
        for name in _FIELDS:
            expected = short.field(name)
            assert expected in (None, str(frame.get(name, "-"))), f"{name}{sent}"
        if frame["type"][0] == "$":
            value = said(short)
            is_same = value is ABSENT or is_within(value, frame["payload"])
        else:
            is_same = short.json is ABSENT or short.json == frame["payload"]
        assert is_same, f"another payload{sent}"
        if arrives:
            self._server.take(frame)

    def _expect_event(self, short: Short) -> None:
        event = self._session.event()
        if event is None and not self._is_full:
            frame = self._transmit()
            assert frame is None, f"unshown: {frame}"
            event = self._session.event()
        assert event is not None, "nothing was told"
        it = self._tell(event)
        is_same = short.json is ABSENT or is_within(short.json, it.json)
        assert (short.words, True) == (it.words, is_same), f"told: {it}"

    def _expect_quiet(self) -> None:
        frame = None if self._is_full else self._transmit()
        assert frame is None, f"unshown: {frame}"
        event = self._session.event()
        assert event is None, f"unshown: C app< {event and self._tell(event)}"

    def _tell(self, event: Event) -> Short:
        return told.short(event, self._calls, self._requests)

    def _transmit(self) -> Frame | None:
        frame = self._session.transmit()
        if frame is None:
            return None
        data = self._codec.encode(frame)
        envelope = self._codec.decode(data)
        assert envelope is not None, f"what was sent is no envelope: {data!r}"
        fields = dataclasses.asdict(envelope)
        return {
            name: value
            for name, value in fields.items()
            if name == "payload" or (name != "size" and value is not None)
        }

    def _write(self, frame: Frame) -> bytes:
        return told.written(self._codec, frame)

    def _carry(self, data: bytes) -> None:
        self._session.at(self._now).receive(self._codec.decode(data))

    def _time(self, rest: str) -> None:
        self._expect_quiet()
        word, _, more = rest.partition(" ")
        if word == "lost":
            if more != "S":
                self._session.at(self._now).disconnected()
        elif word == "asleep":
            self._now += duration(more)
            self._session.at(self._now).timeout()
        else:
            self._wait(self._now + duration(rest))

    def _wait(self, until: int) -> None:
        while (due := self._session.due()) <= until:
            self._now = max(self._now, math.ceil(due))
            self._session.at(self._now).timeout()
            if self._now >= until:
                break
            self._expect_quiet()
            assert self._session.due() > self._now, "a timer does not advance"
        self._now = until
        self._session.at(until).timeout()

    def _command(self, short: Short) -> bool:
        session = self._session.at(self._now)
        match short.first:
            case "connect":
                return self._connect(short)
            case "call" | "publish":
                return self._call(short)
            case "auth":
                return session.auth(short.at(1))
            case "cancel":
                session.cancel(self._calls[short.at(1)])
            case "credit":
                session.credit(self._calls[short.at(1)], int(short.at(2)))
            case "part":
                return session.part(self._calls[short.at(1)], self._codec.payload(short.value))
            case "end":
                session.end_parts(self._calls[short.at(1)])
            case "subscribe":
                since = position(short.field("since"))
                return session.subscribe(short.at(1), since and Position(*since))
            case "unsubscribe":
                return session.unsubscribe(short.at(1))
            case "consumed":
                session.consumed(short.at(1), int(short.at(2)))
            case "close":
                session.close(int(short.at(1)), "as told")
            case "answer":
                self._answer(short)
            case _:
                raise AssertionError("no command of this side")
        return True

    def _connect(self, short: Short) -> bool:
        if self._session.is_connected():
            return False
        more: dict[str, typing.Any] = {"protocol": short.field("protocol")}
        if ".." in short.at(1):
            more["version"] = [int(it) for it in short.at(1).split("..")]
        if short.field("token"):
            more["auth"] = {"token": short.field("token")}
        self._session.connect(**more)
        return True

    def _call(self, short: Short) -> bool:
        ttl, removed = short.field("ttl"), short.number("removed")
        is_call = short.first == "call"
        call = Call(
            short.at(2) if is_call else short.at(3),
            self._codec.payload(short.value),
            math.inf if ttl is None else self._now + duration(ttl),
            None if is_call else short.at(2),
            short.field("key"),
            short.number("since") or 0,
            math.inf if removed is None else removed,
        )
        self._calls[short.at(1)] = call
        is_taken = self._session.call(call)
        credit = short.number("credit")
        if is_taken and credit:
            self._session.credit(call, credit)
        return is_taken

    def _answer(self, short: Short) -> None:
        request = self._requests[int(short.at(1)) - 1]
        if short.at(2) == "fault":
            answer = Answer("fault", fault=Fault(short.at(3), "as told", "unknown"))
        else:
            body = self._codec.payload(short.value)
            answer = Answer("ok" if short.at(2) == "ok" else "err", body)
        self._session.answer(request, answer)
