"""A server that does what a test says, connection by connection."""

from __future__ import annotations

import asyncio
import functools
import json
import typing
from collections.abc import Awaitable, Callable

import workshop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ws_proto import Backoff, Client, Options, State

# In a hurry, and never tired.
HASTE = Backoff(base=0.001, longest=0.01, attempts=10**9)
Frame = dict[str, typing.Any]
_PATIENCE = 30


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs a test that waits for things; one that waits in vain fails."""

    @functools.wraps(test)
    def run(*arguments: typing.Any, **named: typing.Any) -> None:
        async def within() -> None:
            async with asyncio.timeout(_PATIENCE):
                await test(*arguments, **named)

        asyncio.run(within())

    return run


S = typing.TypeVar("S", bound=State)


async def reached(client: Client, kind: type[S]) -> S:
    """The next state of this kind, or the present one."""
    if isinstance(client.state, kind):
        return client.state
    found: asyncio.Future[S] = asyncio.get_running_loop().create_future()

    def told(state: State) -> None:
        if isinstance(state, kind) and not found.done():
            found.set_result(state)

    end = client.on_state(told)
    try:
        return await found
    finally:
        end()


class Peer:
    """One connection, as the server sees it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self._seq = 0
        self._ids = 0

    async def frame(self, type: str) -> Frame:
        """The next frame of this type; those before it are passed over."""
        while True:
            frame: Frame = json.loads(await self.socket.recv())
            if frame["type"] == type:
                return frame

    async def welcome(self, **session: typing.Any) -> Frame:
        """Takes the hello and welcomes it; `session` is what is special about the session."""
        hello = await self.frame("$hello")
        recv, version = session.pop("recv", 0), session.pop("version", 2)
        self._seq = session.pop("seq", 0)
        more = session.pop("more", {})
        limits = {"max_frame": 65_536, "max_in_flight": 64, "max_subs": 128, "window": 256}
        welcome = {
            "version": version,
            "session": {"id": "s", "ticket": "t", "ttl_ms": 1000, "resumed": False} | session,
            "recv": recv,
            "heartbeat": {"interval_ms": 30_000, "timeout_ms": 10_000},
            "limits": limits | {"rate": {"per_s": 10_000, "burst": 10_000}},
            "server": {"node": "n", "now": 0},
        }
        await self.send("$welcome", welcome | more)
        return hello

    async def send(self, type: str, payload: typing.Any, **head: typing.Any) -> str:
        """Sends a frame without a place; its `id`."""
        self._ids += 1
        id = f"00000000-0000-7000-8000-{self._ids:012}"
        frame = {"type": type, "id": id, "ts": 0} | head | {"payload": payload}
        await self.socket.send(json.dumps(frame))
        return id

    async def say(self, type: str, payload: typing.Any, **head: typing.Any) -> str:
        """Sends a frame of the session stream; its `id`."""
        self._seq += 1
        return await self.send(type, payload, **{"seq": self._seq, **head})

    async def lose(self) -> None:
        """Loses the connection without a word."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    async def closed(self) -> int | None:
        """The code that the client closes with; what comes before is passed over."""
        try:
            while True:
                await self.socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


class Script:
    """Use it in `async with`: it listens on a port of its own."""

    def __init__(self, answer: Callable[[int], Response | None] = lambda _: None) -> None:
        self._answer = answer
        self._attempts = 0
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._over = asyncio.Event()
        self.subprotocol = "wsp1.json"

    async def __aenter__(self) -> typing.Self:
        self._server = await serve(
            self._connected,
            "127.0.0.1",
            0,
            process_request=self._request,
            select_subprotocol=lambda *_: Subprotocol(self.subprotocol),
            compression=None,
            ping_interval=None,
            close_timeout=1,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where it listens."""
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}/"

    async def peer(self) -> Peer:
        """The next connection."""
        return await self._peers.get()

    def client(self, **options: typing.Any) -> Client:
        """A client of this server, in a hurry."""
        default: dict[str, typing.Any] = {"backoff": HASTE, "socket": {"proxy": None}}
        return Client(self.url, workshop, Options(**(default | options)))

    async def _connected(self, socket: ServerConnection) -> None:
        self._peers.put_nowait(Peer(socket))
        closed = asyncio.ensure_future(socket.wait_closed())
        over = asyncio.ensure_future(self._over.wait())
        await asyncio.wait((closed, over), return_when="FIRST_COMPLETED")
        over.cancel()

    def _request(self, _: ServerConnection, __: Request) -> Response | None:
        self._attempts += 1
        return self._answer(self._attempts)
