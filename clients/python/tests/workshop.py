"""A contract in the form of `wsp gen python`, with something of everything."""

from __future__ import annotations

import dataclasses
import typing
import uuid

import pydantic


class Saw(pydantic.BaseModel):
    """May be worked on twice."""

    length: int
    note: str | None = None

    if typing.TYPE_CHECKING:

        def _ws_call(self) -> tuple[Sawn, SawError]: ...


class Sawn(pydantic.BaseModel):
    """The answer."""

    pieces: list[int]


class Glue(pydantic.BaseModel):
    """May not."""

    if typing.TYPE_CHECKING:

        def _ws_call(self) -> tuple[None, None]: ...


class Count(pydantic.BaseModel):
    """Streams numbers."""

    if typing.TYPE_CHECKING:

        def _ws_stream(self) -> tuple[int, str, None]: ...


class Store(pydantic.BaseModel):
    """Takes texts."""

    if typing.TYPE_CHECKING:

        def _ws_upload(self, part: str) -> tuple[int, None]: ...


class Confirm(pydantic.BaseModel):
    """The server asks."""

    text: str

    if typing.TYPE_CHECKING:

        def _ws_serve(self, reply: bool) -> tuple[Confirm, str]: ...


class Moved(pydantic.BaseModel):
    """An event."""

    by: int
    what: uuid.UUID | None = None


class Stock(pydantic.BaseModel):
    """A snapshot."""

    boards: int


SawError: typing.TypeAlias = typing.Literal["blunt", "busy"]


@dataclasses.dataclass(frozen=True)
class BenchChannel:
    """At least once, with a snapshot."""

    name: str | int | bool
    _ws_kind: typing.ClassVar[str] = "bench"

    if typing.TYPE_CHECKING:

        def _ws_events(self) -> tuple[Moved, Stock]: ...

        def _ws_publish(self, event: Moved) -> None: ...


@dataclasses.dataclass(frozen=True)
class NoiseChannel:
    """Best effort."""

    _ws_kind: typing.ClassVar[str] = "noise"

    if typing.TYPE_CHECKING:

        def _ws_events(self) -> tuple[Moved, None]: ...


PROTOCOL: typing.Final = "workshop"
VERSIONS: typing.Final = (1, 2)
REQUESTS: typing.Final[dict[str, tuple[typing.Any, ...]]] = {
    "count": (Count, str, None, int, None),
    "glue": (Glue, None, None, None, None),
    "saw": (Saw, Sawn, SawError, None, None),
    "store": (Store, int, None, None, str),
}
CALLBACKS: typing.Final[dict[str, tuple[typing.Any, ...]]] = {
    "confirm": (Confirm, bool, str, None, None),
}
CHANNELS: typing.Final[dict[str, dict[str, typing.Any]]] = {
    "bench": {"moved": Moved},
    "noise": {"moved": Moved},
}
SNAPSHOTS: typing.Final[dict[str, typing.Any]] = {"bench": Stock}
FACTS: typing.Final[dict[str, dict[str, typing.Any]]] = {
    "bench.moved": {"since": 2},
    "glue": {"since": 2},
    "saw": {"idempotent": True},
}
