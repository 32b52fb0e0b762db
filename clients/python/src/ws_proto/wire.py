"""What travels: headers, faults, close codes and addresses (docs/protocol.md, 2, 3 and 10)."""

from __future__ import annotations

import dataclasses
import enum
import re
import typing
import urllib.parse

Word = typing.Literal["never", "safe", "after", "unknown"]
Advice = typing.Literal["resume", "fresh_session", "new_credentials", "delay", "stop"]
Json = dict[str, typing.Any]

LARGEST = 2**53 - 1
UUID = re.compile(r"[\da-fA-F]{8}(-[\da-fA-F]{4}){3}-[\da-fA-F]{12}")

_RESUMES = frozenset({1001, 1005, 1006, 1011, 1012, 1013})
_CODES = frozenset(
    "unimplemented invalid unauthorized forbidden not_found rate_limited overloaded deadline "
    "cancelled draining too_large internal".split()
)
_WORDS: dict[str, Word] = {"never": "never", "safe": "safe", "after": "after"}


class Outcome(enum.StrEnum):
    """Whether a call was worked on: what its caller may conclude (section 7)."""

    NOT_SENT = "not_sent"
    """It never left this program."""
    NOT_PROCESSED = "not_processed"
    """The server did not work on it."""
    UNKNOWN = "unknown"
    """It may have been worked on."""
    PROCESSED = "processed"
    """It was worked on."""


@dataclasses.dataclass(slots=True)
class Head:
    """A message's header (section 2). Fields that do not apply are `None` and do not travel."""

    type: str
    id: str
    ts: int
    re: str | None = None
    seq: int | None = None
    ack: int | None = None
    ch: str | None = None
    off: int | None = None
    prev: int | None = None
    key: str | None = None
    ttl: int | None = None
    tp: str | None = None


@dataclasses.dataclass(slots=True)
class Envelope(Head):
    """What arrives: a header and a payload of any type."""

    payload: typing.Any = None
    size: int = 0
    """Bytes of the whole message."""


@dataclasses.dataclass(slots=True)
class Outgoing:
    """What leaves: a header, and the payload as bytes that stay the same in every attempt."""

    head: Head
    body: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """Why one message failed, as the framework says it (section 7)."""

    code: str
    message: str
    retry: Word
    after_ms: int | None = None
    """With `retry` `after`: the delay in milliseconds."""
    details: dict[str, str] | None = None

    @staticmethod
    def read(payload: Json, message: str = "message") -> Fault:
        """Reads a payload whose fields were checked; a word that is not known has its default."""
        code, details = payload["code"], payload.get("details")
        return Fault(
            code if code in _CODES else "internal",
            payload[message],
            _WORDS.get(payload["retry"], "unknown"),
            payload.get("after_ms"),
            details if isinstance(details, dict) else None,
        )

    def payload(self) -> Json:
        """The payload of `$err`."""
        fields = {"code": self.code, "message": self.message, "retry": self.retry}
        more = {"after_ms": self.after_ms, "details": self.details}
        return fields | {name: value for name, value in more.items() if value is not None}


@dataclasses.dataclass(frozen=True, slots=True)
class Position:
    """A place in a channel's log (section 8)."""

    epoch: str
    off: int


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """The payload of `$ok` (section 8)."""

    position: Position | None = None
    recovered: bool | None = None
    reason: str | None = None

    @staticmethod
    def read(payload: Json) -> Done:
        """Reads a payload whose fields were checked."""
        epoch, off = payload.get("epoch"), payload.get("off")
        position = None if epoch is None or off is None else Position(epoch, off)
        reason = payload.get("reason")
        if reason is not None and reason != "epoch":
            reason = "trimmed"
        return Done(position, payload.get("recovered"), reason)


@dataclasses.dataclass(frozen=True, slots=True)
class Hole:
    """The payload of `$gap` (section 8)."""

    reason: str
    after: int | None = None
    until: int | None = None
    dropped: int | None = None

    @staticmethod
    def read(payload: Json) -> Hole:
        """Reads a payload whose fields were checked."""
        reason = payload["reason"]
        known = reason if reason in ("trimmed", "version") else "slow"
        more = (payload.get(name) for name in ("after", "until", "dropped"))
        return Hole(known, *more)


def advice(code: int) -> Advice:
    """What the range of a close code says (section 10)."""
    if code in _RESUMES or 4000 <= code < 4100:
        return "resume"
    if 4100 <= code < 4200:
        return "fresh_session"
    if 4200 <= code < 4300:
        return "new_credentials"
    return "delay" if 4300 <= code < 4500 else "stop"


def window(retry: list[int] | None) -> tuple[int, int] | None:
    """The delays that `retry_after_ms` of `$close` allows; nothing where they mean nothing."""
    if retry is None or min(retry) < 0:
        return None
    return retry[0], max(retry)


def address(kind: str, *fields: str | int | bool) -> str:
    """The address of a channel: its kind and its fields, in their order (section 3)."""
    return "/".join([kind, *map(_escaped, fields)])


def _escaped(field: str | int | bool) -> str:
    text = str(field).lower() if isinstance(field, bool) else str(field)
    return urllib.parse.quote(text, safe="")
