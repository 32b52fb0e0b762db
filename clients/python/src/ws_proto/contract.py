"""What `wsp gen python` writes, as this package sees it: types for the checker, and tables."""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping

import pydantic

from .codec import Codec, Json
from .errors import PayloadError
from .events import Served

R = typing.TypeVar("R")
R_co = typing.TypeVar("R_co", covariant=True)
R_contra = typing.TypeVar("R_contra", contravariant=True)
E_co = typing.TypeVar("E_co", covariant=True)
S_co = typing.TypeVar("S_co", covariant=True)
I_co = typing.TypeVar("I_co", covariant=True)
P_contra = typing.TypeVar("P_contra", contravariant=True)


class Contract(typing.Protocol):
    """A module that `wsp gen python` wrote."""

    @property
    def PROTOCOL(self) -> str:
        """The name of the protocol."""

    @property
    def VERSIONS(self) -> tuple[int, int]:
        """The lowest and the highest version that the client speaks."""

    @property
    def REQUESTS(self) -> Mapping[str, tuple[typing.Any, ...]]:
        """By name: payload, reply, error, item and part."""

    @property
    def CALLBACKS(self) -> Mapping[str, tuple[typing.Any, ...]]:
        """The same, of what the server asks."""

    @property
    def CHANNELS(self) -> Mapping[str, Mapping[str, typing.Any]]:
        """By kind: the payload of each event."""

    @property
    def SNAPSHOTS(self) -> Mapping[str, typing.Any]:
        """By kind: the snapshot of a channel that has one."""

    @property
    def FACTS(self) -> Mapping[str, Mapping[str, typing.Any]]:
        """By type: `idempotent`, `dedup`, `since` and `removed` of what has something special."""


class Plain(typing.Protocol[R_co, E_co]):
    """A request with one answer: its type, and that of its error."""

    def _ws_call(self) -> tuple[R_co, E_co]: ...


class Streaming(typing.Protocol[I_co, R_co, E_co]):
    """A request that streams items before its answer."""

    def _ws_stream(self) -> tuple[I_co, R_co, E_co]: ...


class Uploading(typing.Protocol[P_contra, R_co, E_co]):
    """A request that takes parts."""

    def _ws_upload(self, part: P_contra) -> tuple[R_co, E_co]: ...


class Callback(typing.Protocol[R_contra, R_co, E_co]):
    """What the server asks: the type of the answer, its own type and that of its error."""

    def _ws_serve(self, reply: R_contra) -> tuple[R_co, E_co]: ...


class Channel(typing.Protocol[E_co, S_co]):
    """A channel: its events, and its snapshot."""

    _ws_kind: typing.ClassVar[str]

    def _ws_events(self) -> tuple[E_co, S_co]: ...


class Publishable(typing.Protocol[P_contra]):
    """A channel to which clients publish."""

    _ws_kind: typing.ClassVar[str]

    def _ws_publish(self, event: P_contra) -> None: ...


class Schema:
    """Writes and reads the payloads of one contract in one format."""

    def __init__(self, contract: Contract, codec: Codec) -> None:
        self.contract = contract
        self.codec = codec
        # `None` where several share a model, and nothing says which of them is meant.
        self._names: dict[typing.Any, str | None] = {}
        for table in (contract.REQUESTS, contract.CALLBACKS):
            for name, (payload, *_) in table.items():
                is_taken = _is_hashable(payload) and payload in self._names
                if _is_hashable(payload):
                    self._names[payload] = None if is_taken else name

    def name_of(self, model: typing.Any) -> str:
        """The request that has this model as its payload."""
        name = self._names.get(model)
        if name is None:
            raise TypeError(f"{model!r} is not the payload of exactly one request: say its name")
        return name

    def event_of(self, kind: str, model: typing.Any) -> str:
        """The event of a channel that has this model as its payload."""
        events = self.contract.CHANNELS.get(kind, {})
        names = [name for name, payload in events.items() if payload is model]
        if len(names) != 1:
            raise TypeError(f"{model!r} is not exactly one event of `{kind}`: say its name")
        return names[0]

    def served(self, name: str) -> Served:
        """Which versions have a callback."""
        return Served(**{k: v for k, v in self.facts(name).items() if k in ("since", "removed")})

    def facts(self, name: str) -> Mapping[str, typing.Any]:
        """What is special about a request."""
        return self.contract.FACTS.get(name, {})

    def write(self, type: typing.Any, value: typing.Any) -> bytes:
        """A payload, as it travels. A field that was not given is absent."""
        adapter = adapter_of(type)
        if self.codec.is_text:
            return adapter.dump_json(value, by_alias=True, exclude_unset=True)
        return self.codec.payload(adapter.dump_python(value, by_alias=True, exclude_unset=True))

    def read(self, type: typing.Any, name: str, payload: typing.Any) -> typing.Any:
        """A payload of the message `name` as its type; raises a `PayloadError`."""
        adapter = adapter_of(type)
        try:
            if self.codec.is_text:
                # Only from JSON does the strict mode take the text of a UUID, and no other text.
                return adapter.validate_json(_JSON.payload(payload), strict=True)
            return adapter.validate_python(payload)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            path = ".".join(["payload", *map(str, first["loc"])])
            raise PayloadError(name, path, first["msg"]) from None
        except ValueError as error:
            raise PayloadError(name, "payload", str(error)) from None


@functools.cache
def _hashed(type: typing.Any) -> pydantic.TypeAdapter[typing.Any]:
    return pydantic.TypeAdapter(type)


def adapter_of(type: typing.Any) -> pydantic.TypeAdapter[typing.Any]:
    """What writes and reads a type; made once."""
    return _hashed(type) if _is_hashable(type) else pydantic.TypeAdapter(type)


def _is_hashable(type: typing.Any) -> bool:
    try:
        hash(type)
    except TypeError:
        return False
    return True


_JSON = Json()
