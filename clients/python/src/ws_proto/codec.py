"""Bytes <-> envelopes, in both wire formats (docs/protocol.md, section 2)."""

from __future__ import annotations

import json
import typing
import uuid

from .shapes import has_shape
from .wire import LARGEST, UUID, Envelope, Head, Outgoing

_INTEGERS = ("ts", "seq", "ack", "off", "prev", "ttl")
_TEXTS = ("re", "ch", "key", "tp")
_ORDER = ("re", "seq", "ack", "ch", "off", "prev", "key", "ttl", "tp")
_BOUNDED = 128
_UUID_BYTES = 16
_TIMESTAMPS = (b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff")


class Codec(typing.Protocol):
    """A wire format. `decode` gives `None` for what is no envelope, and never raises."""

    @property
    def subprotocol(self) -> str:
        """The name of the WebSocket sub-protocol."""

    @property
    def is_text(self) -> bool:
        """Whether messages are text."""

    def payload(self, value: typing.Any) -> bytes:
        """Writes a payload."""

    def encode(self, frame: Outgoing) -> bytes:
        """Writes a whole message; the fields stand in the order of the protocol's table."""

    def decode(self, data: str | bytes) -> Envelope | None:
        """Reads a message."""


class Json:
    """`wsp1.json`: objects, as text."""

    subprotocol = "wsp1.json"
    is_text = True
    _nesting = 64

    def payload(self, value: typing.Any) -> bytes:
        """Writes a payload, without white space."""
        return _compact(value).encode()

    def encode(self, frame: Outgoing) -> bytes:
        """Writes a whole message."""
        fields = {"type": frame.head.type, "id": frame.head.id, "ts": frame.head.ts}
        fields |= _present(frame.head)
        return _compact(fields)[:-1].encode() + b',"payload":' + frame.body + b"}"

    def decode(self, data: str | bytes) -> Envelope | None:
        """Reads a message; keys do not repeat and numbers are finite."""
        try:
            text = data if isinstance(data, str) else data.decode()
            it = _READER.decode(text)
            if "\\u" in text:
                # Half a surrogate pair is no text, and could not be sent back.
                _compact(it).encode()
            if text.count("{") + text.count("[") > self._nesting and _is_deeper(it, self._nesting):
                return None
            return _envelope(it, len(text) if text.isascii() else len(text.encode()))
        except (ValueError, RecursionError):
            return None


class MessagePack:
    """`wsp1.msgpack`: arrays of five values, as binary. Needs the package `msgpack`."""

    subprotocol = "wsp1.msgpack"
    is_text = False
    _nesting = 32

    def __init__(self) -> None:
        # Only who speaks it needs the package.
        import msgpack  # type: ignore[import-untyped, unused-ignore] # noqa: PLC0415

        self._msgpack = msgpack

    def payload(self, value: typing.Any) -> bytes:
        """Writes a payload; UUIDs are 16 bytes."""
        packed: bytes = self._msgpack.packb(value, default=_uuid_bytes)
        return packed

    def encode(self, frame: Outgoing) -> bytes:
        """Writes a whole message."""
        head = frame.head
        more = _present(head)
        if head.re is not None:
            more["re"] = uuid.UUID(head.re).bytes
        pack = self._msgpack.packb
        first: bytes = b"".join(
            map(pack, (head.type, uuid.UUID(head.id).bytes, head.ts, more or None))
        )
        return b"\x95" + first + frame.body

    def decode(self, data: str | bytes) -> Envelope | None:
        """Reads a message; keys are text and do not repeat, and there are no extension types."""
        if isinstance(data, str):
            return None
        try:
            it = self._msgpack.unpackb(data, object_pairs_hook=_distinct, ext_hook=_no_extension)
            if type(it) is not list or self._has_timestamp(data, it):
                return None
            kind, id, ts, header, payload = it
            # Every container takes a byte at least.
            if len(data) > self._nesting and _is_deeper(it, self._nesting):
                return None
            fields = dict(header or {}) if header is None or type(header) is dict else None
            if fields is None or fields.keys() & {"type", "id", "ts", "payload"}:
                return None
            if "re" in fields:
                fields["re"] = str(_uuid_of(fields["re"]))
            fields |= {"type": kind, "id": str(_uuid_of(id)), "ts": ts, "payload": payload}
            return _envelope(fields, len(data))
        # The package has exceptions of its own, and not all of them are `ValueError`.
        except (ValueError, TypeError, RecursionError, self._msgpack.UnpackException):
            return None

    def _has_timestamp(self, data: bytes, value: typing.Any) -> bool:
        """The one extension type that the package reads without asking."""
        if not any(mark in data for mark in _TIMESTAMPS):
            return False
        if isinstance(value, dict | list):
            inner = value.values() if isinstance(value, dict) else value
            return any(self._has_timestamp(data, it) for it in inner)
        return isinstance(value, self._msgpack.Timestamp)


def named(format: str) -> Codec:
    """The codec of a format, `json` or `msgpack`."""
    if format == "json":
        return Json()
    if format == "msgpack":
        return MessagePack()
    raise ValueError(f"`{format}` is no wire format: take `json` or `msgpack`")


def _present(head: Head) -> dict[str, typing.Any]:
    return {name: value for name in _ORDER if (value := getattr(head, name)) is not None}


def _envelope(it: typing.Any, size: int) -> Envelope | None:
    if type(it) is not dict or "payload" not in it:
        return None
    for name in _INTEGERS:
        if name in it and not (type(it[name]) is int and 0 <= it[name] <= LARGEST):
            return None
    for name in _TEXTS:
        if name in it and type(it[name]) is not str:
            return None
    kind, id, re = it.get("type"), it.get("id"), it.get("re")
    if type(kind) is not str or type(id) is not str or "ts" not in it:
        return None
    if not kind or not UUID.fullmatch(id) or not (re is None or UUID.fullmatch(re)):
        return None
    if any(len(text.encode()) > _BOUNDED for text in (kind, it.get("key", ""), it.get("tp", ""))):
        return None
    if kind[0] == "$" and not has_shape(kind, it["payload"]):
        return None
    known = {name: it[name] for name in _ORDER if name in it}
    if re is not None:
        known["re"] = re.lower()
    return Envelope(kind, id.lower(), it["ts"], **known, payload=it["payload"], size=size)


def _is_deeper(value: typing.Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(it, levels - 1) for it in inner)


def _distinct(pairs: list[tuple[typing.Any, typing.Any]]) -> dict[str, typing.Any]:
    read = dict(pairs)
    if len(read) != len(pairs) or any(type(key) is not str for key in read):
        raise ValueError("a key that comes twice, or is no text")
    return read


def _finite(word: str) -> float:
    raise ValueError(f"`{word}` is no number")


def _no_extension(code: int, data: bytes) -> typing.NoReturn:
    raise ValueError(f"the extension type {code} with {len(data)} bytes")


def _uuid_of(value: typing.Any) -> uuid.UUID:
    if type(value) is not bytes or len(value) != _UUID_BYTES:
        raise ValueError("no UUID of 16 bytes")
    return uuid.UUID(bytes=value)


def _uuid_bytes(value: typing.Any) -> bytes:
    if isinstance(value, uuid.UUID):
        return value.bytes
    raise TypeError(f"a payload cannot hold a {type(value).__name__}")


def _compact(value: typing.Any) -> str:
    return _WRITER.encode(value)


_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_READER = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_finite)
