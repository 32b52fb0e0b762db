"""WebSockets, the delays between attempts, ids and the clock (docs/protocol.md, 1 and 9)."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import secrets
import time
import typing

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    NegotiationError,
    ProxyError,
)
from websockets.typing import Subprotocol

from .codec import Codec
from .errors import ConnectError

_HOUR = 3600.0
# What the library says of a message that it does not take, and what the protocol says (section 10).
_CLOSES = {1007: 4500, 1009: 4503}
_TOO_LARGE = 4503
_TOO_MANY = 429
_SERVER = 500


@dataclasses.dataclass(frozen=True)
class Backoff:
    """How long to wait before each attempt to connect again, and when to give up. Seconds."""

    base: float = 1.0
    """The first delay; each further one is twice as long."""
    longest: float = 30.0
    """The longest delay, before jitter."""
    attempts: int = 12
    """Attempts in a row before the client gives up."""
    reset: float = 30.0
    """How long a connection must live for the count to return to zero."""

    def delay(self, failed: int, window: tuple[int, int] | None = None) -> float:
        """The delay after `failed` attempts in a row; a window of the server counts instead."""
        base = min(self.base * 2.0 ** min(failed, 64), self.longest)
        low, high = (base / 2, base * 1.5)
        if window is not None:
            # A server that names a year is not obeyed for longer than an hour.
            low, high = (min(it / 1000, _HOUR) for it in window)
        return random.uniform(low, high)


class Retry(Exception):
    """An attempt failed; another one may succeed, after this long on top of the usual delay."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class _Connect(connect):
    """Follows no redirect."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Every answer but 101 is one that is said."""
        return exc


class _Connection(ClientConnection):
    """Fails with the codes of the protocol."""

    def __init__(self, protocol: ClientProtocol, **settings: typing.Any) -> None:
        super().__init__(protocol, **settings)
        fail = protocol.fail

        def said(code: int, reason: str = "") -> None:
            fail(_CLOSES.get(code, code), reason)

        protocol.fail = said  # type: ignore[method-assign]


class Socket:
    """Whole messages over one WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @staticmethod
    async def open(
        url: str, codec: Codec, max_size: int, more: typing.Mapping[str, typing.Any]
    ) -> Socket:
        """Connects; raises `Retry`, or a `ConnectError` where nothing will be better."""
        settings: dict[str, typing.Any] = {
            "subprotocols": [Subprotocol(codec.subprotocol)],
            "compression": None,
            "ping_interval": None,
            "open_timeout": None,
            "close_timeout": 2,
            "max_size": max_size,
            "create_connection": _Connection,
        }
        try:
            connection = await _Connect(url, **(settings | dict(more)))
        except InvalidStatus as refused:
            raise _refused(refused) from None
        except (InvalidURI, NegotiationError) as error:
            code = 4510 if isinstance(error, NegotiationError) else None
            raise ConnectError(str(error), code) from None
        except (OSError, EOFError, InvalidMessage, ProxyError) as error:
            raise Retry(f"the server could not be reached: {error}") from None
        except InvalidHandshake as error:
            raise ConnectError(str(error)) from None
        socket = Socket(connection)
        if connection.subprotocol != codec.subprotocol:
            socket.abort()
            raise ConnectError("the server speaks another wire format", 4510)
        return socket

    def allow(self, max_size: int) -> None:
        """Messages of the server may be this large."""
        self._connection.protocol.max_message_size = max_size

    async def receive(self) -> str | bytes:
        """The next message; raises `Over`."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise _over(closed) from None

    async def send(self, data: bytes, *, is_text: bool) -> None:
        """Sends a message; returns when there is room for another one. Raises `Over`."""
        try:
            await self._connection.send(data, text=is_text)
        except ConnectionClosed as closed:
            raise _over(closed) from None

    async def close(self, code: int, reason: str) -> None:
        """Says goodbye, and waits for the answer, at most 2 s."""
        is_sayable = code == 1000 or 3000 <= code < 5000
        # 123 bytes fit.
        said = reason.encode()[:123].decode(errors="ignore")
        await self._connection.close(code if is_sayable else 1000, said if is_sayable else "")

    def abort(self) -> None:
        """Drops the connection."""
        self._connection.transport.abort()


class Over(Exception):
    """The WebSocket is closed: the code of the other side, where it said one."""

    def __init__(self, code: int | None, reason: str, is_too_large: bool) -> None:
        super().__init__(reason)
        self.code = code
        self.is_too_large = is_too_large


def uuid7() -> str:
    """A UUID of version 7."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Clock:
    """Milliseconds; never goes back, and counts the time of a sleep."""

    def __init__(self) -> None:
        self._slept = 0.0
        self._ticks = time.monotonic()
        self._wall = time.time()

    def now(self) -> int:
        """The time."""
        ticks, wall = time.monotonic(), time.time()
        jump = wall - self._wall - (ticks - self._ticks)
        # The clock stops while the machine sleeps. Smaller differences are of the wall clock.
        if jump > 1:
            self._slept += jump
        self._ticks, self._wall = ticks, wall
        return int((ticks + self._slept) * 1000)


def _refused(refused: InvalidStatus) -> Exception:
    status = refused.response.status_code
    text = f"the server answered with the status {status}"
    if status != _TOO_MANY and status < _SERVER:
        return ConnectError(text, status)
    after = refused.response.headers.get("Retry-After", "")
    return Retry(text, min(float(after), _HOUR) if after.isdecimal() else 0.0)


def _over(closed: ConnectionClosed) -> Over:
    is_too_large = closed.sent is not None and closed.sent.code == _TOO_LARGE
    is_ours = is_too_large and not closed.rcvd_then_sent
    if closed.rcvd is None:
        return Over(None, "the connection was lost", is_ours)
    return Over(closed.rcvd.code, closed.rcvd.reason, is_ours)


async def sleep(seconds: float, sooner: asyncio.Event) -> None:
    """Waits, or until there is a reason to go on sooner."""
    try:
        async with asyncio.timeout(seconds):
            await sooner.wait()
    except TimeoutError:
        pass
