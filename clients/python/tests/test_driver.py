"""The driver: sockets that take nothing, sizes, late credentials, and counting attempts."""

from __future__ import annotations

import asyncio
import json
import typing

import pytest
import workshop as w
from script import HASTE, Script, in_loop, reached

from ws_proto import Backoff, Client, Event, Finished, Options, Ready, Waiting, driver
from ws_proto.socket import Clock, Socket


class Stubborn:
    """A socket that gives what a test puts in, and takes as much as the test allows."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[str] = asyncio.Queue()
        self.sent: list[dict[str, typing.Any]] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.blocked = asyncio.Event()
        self.is_aborted = False

    def allow(self, _: int) -> None:
        """Takes messages of any size."""

    async def receive(self) -> str:
        """What the test put in."""
        return await self.incoming.get()

    async def send(self, data: bytes, *, is_text: bool) -> None:
        """Keeps what is sent, when it may."""
        assert is_text
        if not self.takes.is_set():
            self.blocked.set()
        await self.takes.wait()
        self.sent.append(json.loads(data))

    async def close(self, code: int, reason: str) -> None:
        """Says nothing."""

    def abort(self) -> None:
        """Notes it."""
        self.is_aborted = True


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 1000

    def now(self) -> int:
        """The time."""
        return self.time


WELCOME = {
    "version": 2,
    "session": {"id": "s", "ticket": "t", "ttl_ms": 1000, "resumed": False},
    "recv": 0,
    "heartbeat": {"interval_ms": 300_000, "timeout_ms": 10_000},
    "limits": {
        "max_frame": 65_536,
        "max_in_flight": 64,
        "max_subs": 128,
        "window": 256,
        "rate": {"per_s": 1000, "burst": 1000},
    },
    "server": {"node": "n", "now": 0},
}


def frame(type: str, payload: object, **head: object) -> str:
    """A message of the server."""
    id = "00000000-0000-7000-8000-000000000001"
    return json.dumps({"type": type, "id": id, "ts": 0} | head | {"payload": payload})


async def stuck(monkeypatch: pytest.MonkeyPatch) -> tuple[Client, Stubborn, Hand]:
    """A client that is ready, and whose socket takes nothing any more."""
    socket, hand = Stubborn(), Hand()

    async def opened(*_: object) -> Stubborn:
        return socket

    monkeypatch.setattr(Socket, "open", staticmethod(opened))
    monkeypatch.setattr(Clock, "now", lambda _: hand.now())
    slow = Backoff(base=3000.0, longest=3000.0)
    client = Client("ws://", w, Options(backoff=slow, timeout=3600))
    client.open()
    socket.incoming.put_nowait(frame("$welcome", WELCOME))
    await reached(client, Ready)
    socket.takes.clear()
    client.subscribe(w.NoiseChannel())
    await socket.blocked.wait()
    return client, socket, hand


@in_loop
async def test_a_socket_that_takes_nothing_for_10_s_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, socket, hand = await stuck(monkeypatch)
    hand.time += 9999
    client._driver._tick()
    assert isinstance(client.state, Ready)
    hand.time += 1
    client._driver._tick()
    assert "4003" in (await reached(client, Waiting)).reason
    await client.close()
    assert [it["type"] for it in socket.sent] == ["$hello"]


@in_loop
async def test_last_words_that_nobody_takes_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, _, hand = await stuck(monkeypatch)
    closing = asyncio.create_task(client.close())
    await asyncio.sleep(0)
    assert not closing.done()
    hand.time += 1000
    client._driver._tick()
    await closing
    assert client.state == Finished()


@in_loop
async def test_a_full_socket_stops_neither_events_nor_timers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, socket, hand = await stuck(monkeypatch)
    call = asyncio.create_task(client.call(w.Saw(length=1), timeout=1))
    socket.incoming.put_nowait(frame("confirm", {"text": "yes"}, seq=1))
    asked = asyncio.Event()

    async def confirm(_: w.Confirm) -> bool:
        asked.set()
        return True

    client.serve(w.Confirm, confirm)
    await asked.wait()
    hand.time += 1000
    client._driver._tick()
    assert isinstance((await asyncio.gather(call, return_exceptions=True))[0], Exception)
    socket.takes.set()
    await client.close()


@in_loop
async def test_an_event_may_be_as_large_as_the_server_announces() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        limits = WELCOME["limits"] | {"max_frame": 200_000}  # type: ignore[operator]
        await peer.welcome(more={"limits": limits})
        async with client.subscribe(w.NoiseChannel()) as events:
            sub = await peer.frame("$sub")
            await peer.say("$ok", {}, re=sub["id"], ch="noise")
            await peer.send("noise.moved", {"by": 1, "more": "x" * 150_000}, ch="noise")
            assert await anext(events) == Event("moved", w.Moved(by=1))


@in_loop
async def test_credentials_for_a_connection_that_is_over_are_not_sent() -> None:
    asked: list[asyncio.Future[str]] = []
    news = asyncio.Event()

    async def token() -> str:
        asked.append(asyncio.get_running_loop().create_future())
        news.set()
        return "first" if len(asked) != 2 else await asked[1]

    async with Script() as script, script.client(token=token) as client:
        peer = await script.peer()
        await peer.welcome(more={"auth": {"expires_in_ms": 1}})
        while len(asked) < 2:
            news.clear()
            await news.wait()
        await peer.lose()
        peer = await script.peer()
        await peer.welcome(resumed=True)
        await client.ready()
        asked[1].set_result("late")
        call = asyncio.create_task(client.call(w.Saw(length=1)))
        asked_frame = json.loads(await peer.socket.recv())
        assert asked_frame["type"] == "saw"
        call.cancel()


@in_loop
async def test_the_count_of_attempts_starts_anew_after_a_connection_that_lived() -> None:
    backoff = Backoff(base=0.001, longest=0.01, attempts=1, reset=0.0)
    async with Script() as script, script.client(backoff=backoff) as client:
        for _ in range(4):
            peer = await script.peer()
            await peer.welcome()
            await peer.lose()
        await (await script.peer()).welcome()
        await client.ready()


@in_loop
async def test_the_count_of_attempts_goes_on_after_one_that_did_not() -> None:
    backoff = Backoff(base=0.001, longest=0.01, attempts=2)
    async with Script() as script, script.client(backoff=backoff) as client:
        for _ in range(3):
            peer = await script.peer()
            await peer.welcome()
            await peer.lose()
        error = (await reached(client, Finished)).error
        assert "gave up" in str(error)


@in_loop
async def test_closing_while_the_server_closes_does_not_connect_again() -> None:
    async with Script() as script:
        client = script.client(backoff=HASTE)
        client.open()
        peer = await script.peer()
        await peer.welcome()
        await client.ready()
        states: list[driver.State] = []
        client.on_state(states.append)
        # The end that the server says comes first, and the application's meets it.
        client._driver.session.disconnected(4000, "stops")
        await client.close()
        assert states == [Finished()]
