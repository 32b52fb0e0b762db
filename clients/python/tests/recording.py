"""The server of a transcript as a recording."""

from __future__ import annotations

import re
import typing

from short import ABSENT, Short, merge, position, said

Frame = dict[str, typing.Any]
_RETRIES = (
    dict.fromkeys(
        "unimplemented invalid unauthorized forbidden not_found too_large".split(), "never"
    )
    | dict.fromkeys(("overloaded", "draining"), "safe")
    | dict.fromkeys(("deadline", "cancelled", "internal"), "unknown")
    | {"rate_limited": "after"}
)
_PLACED = re.compile(r"\$(cancel|credit|end|sub|unsub|ok|err|unsubbed)")


class Recording:
    """What the server sends is written as frames.

    What a frame does not say stands in the commands of the server's application before it.
    """

    def __init__(self) -> None:
        self.recv = 0
        """The highest `seq` of the client that arrived."""
        self._seq = 0
        self._sessions = 0
        self._tickets = 0
        self._limits: dict[str, int] = {}
        self._resumes = False
        self._version = 3
        self._requests: list[Frame] = []
        self._works: dict[str, Frame] = {}
        self._questions: dict[str, str] = {}
        self._commands: list[Short] = []
        self._channels: dict[str, str] = {}
        self._named = 0
        self._labelled: dict[str, Frame] = {}
        self._is_draining = False

    def config(self, name: str, value: int) -> None:
        """A line `config S name=number`."""
        self._limits[name] = value

    def take(self, frame: Frame) -> None:
        """A frame of the client arrived."""
        if frame["type"] == "$hello" and "resume" not in frame["payload"]:
            self.recv = 0
        self.recv = max(self.recv, frame.get("seq", 0))
        if "ch" in frame:
            self._channels[frame["id"]] = frame["ch"]
        self._requests.append(frame)

    def tell(self, event: Short) -> None:
        """A line `S app< ..`: which request or question a number names."""
        if event.first == "request":
            for frame in self._requests:
                if frame["type"] == event.at(2) and "re" not in frame and "ch" not in frame:
                    self._works[event.at(1)] = frame
                    self._requests.remove(frame)
                    return
        elif event.first == "hello":
            self._version = int(event.at(1))
        elif event.first in ("subscribe", "publish"):
            self._questions[event.at(1)] = event.at(2)

    def command(self, command: Short) -> None:
        """A line `S app> ..`."""
        if command.first == "accept":
            self._tickets += 1
            self._sessions = self._tickets
            self._resumes = self._is_draining = False
            self._seq = self.recv = 0
            self._works = {}
            self._questions = {}
        elif command.first == "resume":
            self._tickets += 1
            self._resumes = True
        elif command.first == "drain":
            self._is_draining = True
        self._commands.append(command)

    def frame(self, short: Short, labels: dict[str, str], is_scripted: bool) -> Frame:
        """The frame that a line shows, filled in."""
        type, label = short.type, short.label
        if not is_scripted and label in self._labelled:
            return dict(self._labelled[label])
        self._named += 1
        id = f"00000000-0000-7000-8000-{self._named:012}"
        if label is not None:
            id = labels.setdefault(label, id)
        frame: Frame = {"type": type, "id": id, "ts": 0, "payload": ABSENT}
        frame |= _numbers(short, ("ack", "off", "prev", "ttl"))
        if short.field("ch") is not None:
            frame["ch"] = short.field("ch")
        if short.re is not None:
            frame["re"] = labels[short.re]
        if (type == "$ok" or type.endswith(".snapshot")) and frame.get("re") in self._channels:
            frame.setdefault("ch", self._channels[frame["re"]])
        if type[0] != "$":
            frame["payload"] = short.json
        else:
            frame["payload"] = merge(self._template(type, is_scripted), said(short))
        if type == "$err" and not is_scripted:
            retry = {"retry": _RETRIES[frame["payload"]["code"]]}
            frame["payload"] = merge(frame["payload"] | retry, short.json)
        self._fill(frame, short)
        if frame["payload"] is ABSENT:
            frame["payload"] = None
        if type == "$welcome" and not frame["payload"]["session"]["resumed"]:
            self._seq = 0
        self._place(frame, short)
        if label is not None:
            self._labelled[label] = dict(frame)
        return frame

    def _place(self, frame: Frame, short: Short) -> None:
        seq = short.field("seq")
        is_control = frame["type"][0] == "$"
        is_message = "re" in frame or "ch" not in frame
        is_placed = bool(_PLACED.fullmatch(frame["type"])) if is_control else is_message
        if seq == "-" or (seq is None and not is_placed):
            return
        frame["seq"] = self._seq + 1 if seq is None else int(seq)
        self._seq = max(self._seq, frame["seq"])

    def _fill(self, frame: Frame, short: Short) -> None:
        """What the commands of the application say about a frame."""
        type = frame["type"]
        if type == "$ok":
            self._fill_ok(frame, short)
        elif type[0] == "$" or type.endswith(".part"):
            return
        elif "re" in frame and "ch" in frame:
            it = self._find(lambda it: it.first == "snapshot" and it.at(1) == frame["ch"])
            _say(frame, it)
            frame.setdefault("off", int(it.at(2)) if it else 0)
        elif "re" in frame:
            name = "item" if type.endswith(".item") else "answer"
            works = self._works
            _say(
                frame,
                self._find(
                    lambda it: it.first == name and works.get(it.at(1), {}).get("id") == frame["re"]
                ),
            )
        else:
            call = self._find(lambda it: it.first == "call" and it.at(2) == type)
            if call is not None:
                return _say(frame, call)
            event = self._find(lambda it: _is_event(it, frame))
            _say(frame, event)
            if event is not None:
                frame.setdefault("ch", event.at(1))
                frame |= _numbers(event, ("off", "prev")) | frame

    def _fill_ok(self, frame: Frame, short: Short) -> None:
        ch = frame.get("ch")
        questions = self._questions
        decide = self._find(lambda it: it.first == "decide" and questions.get(it.at(1)) == ch)
        payload: Frame = {}
        at = position(decide.field("at")) if decide else None
        if at is not None:
            payload |= {"epoch": at[0], "off": at[1]}
        recovered = decide.field("recovered") if decide else None
        if recovered is not None:
            payload["recovered"] = recovered == "yes"
        if recovered not in (None, "yes"):
            payload["reason"] = recovered
        frame["payload"] = merge(payload, short.json)

    def _find(self, is_it: typing.Callable[[Short], bool]) -> Short | None:
        found = next(filter(is_it, self._commands), None)
        if found is not None:
            self._commands.remove(found)
        return found

    def _template(self, type: str, is_scripted: bool) -> typing.Any:
        if type == "$welcome":
            return self._welcome(is_scripted)
        fault = {"code": "internal", "message": "as told", "retry": "unknown"}
        window = {"retry_after_ms": [1000, 5000]} if self._is_draining else {}
        return {
            "$reject": {"close": 4511, "error": fault, "protocol": "chat", "supported": [1, 3]},
            "$ping": {"t": 0},
            "$pong": {"t": 0, "now": 0},
            "$close": {"code": 1000, "reason": "as told"} | window,
            "$err": fault,
            "$unsubbed": {"code": "internal", "reason": "as told", "retry": "never"},
            "$gap": {"reason": "slow"},
            "$auth_required": {"within_ms": 25_000},
            **{name: {} for name in ("$auth_ok", "$ack", "$credit", "$ok")},
        }.get(type, ABSENT)

    def _welcome(self, is_scripted: bool) -> Frame:
        rate = {
            "per_s": self._limits.get("rate_per_s", 200),
            "burst": self._limits.get("rate_burst", 400),
        }
        id, ticket = f"s{self._sessions}", f"t{self._tickets}"
        if is_scripted:
            id, ticket = "session", "ticket"
        resumed = self._resumes and not is_scripted
        interval = self._limits.get("heartbeat_interval_ms", 30_000)
        max_frame = self._limits.get("max_frame", 65_536)
        limits = {"max_frame": max_frame, "max_in_flight": 64, "max_subs": 128, "window": 256}
        return {
            "version": 3 if is_scripted else self._version,
            "session": {"id": id, "ticket": ticket, "ttl_ms": 120_000, "resumed": resumed},
            "recv": self.recv if resumed else 0,
            "heartbeat": {"interval_ms": interval, "timeout_ms": 10_000},
            "limits": limits | {"rate": rate},
            "server": {"node": "node", "now": 0},
        }


def _say(frame: Frame, it: Short | None) -> None:
    if frame["payload"] is ABSENT and it is not None:
        size = it.number("bytes")
        frame["payload"] = "x" * size if size else it.json


def _is_event(it: Short, frame: Frame) -> bool:
    return (
        it.first in ("deliver", "pass")
        and it.at(1) == frame.get("ch", it.at(1))
        and it.at(2) == frame["type"]
        and it.number("off") == frame.get("off", it.number("off"))
    )


def _numbers(short: Short, names: tuple[str, ...]) -> Frame:
    return {name: n for name in names if (n := short.number(name)) is not None}
