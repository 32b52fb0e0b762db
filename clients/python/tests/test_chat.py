"""The real server of the chat, also behind a proxy that cuts."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import chat_protocol as chat
import pytest
from chaos import storm
from house import ChatServer, guest
from script import in_loop, reached

from ws_proto import CallError, ConnectError, Ended, Event, Gap, Live, Position, Rejected, Waiting

DEN = "étage 1/2"


async def texts_of(messages: AsyncIterator[chat.Message]) -> list[str]:
    """What was said."""
    return [message.text async for message in messages]


@pytest.mark.parametrize("format", ["json", "msgpack"])
@in_loop
async def test_a_call_a_stream_and_a_subscription_of_the_real_server(format: str) -> None:
    async with (
        ChatServer() as server,
        guest(server.url, "ann", format=format) as ann,
        guest(server.url, "bob", format=format) as bob,
    ):
        joined = await ann.call(chat.Join(room=DEN))
        await bob.call(chat.Join(room=DEN))
        expected = [str(n) for n in range(50)]
        seen: list[str] = []
        since = Position(joined.epoch, joined.off)
        async with ann.subscribe(chat.RoomChannel(name=DEN), since) as events:
            await events.ready()
            for text in expected:
                await bob.call(chat.Post(room=DEN, text=text))
            async for item in events:
                match item:
                    case Event(payload=chat.Message(text=text)):
                        seen.append(text)
                    case Event(payload=chat.RoomEventEntered(who=who)):
                        assert who == "bob"
                    case _:
                        assert isinstance(item, Live)
                if len(seen) == len(expected):
                    break
        assert seen == expected
        async with ann.stream(chat.History(room=DEN, limit=100), credit=4) as stream:
            assert await texts_of(stream) == expected
            assert (await stream.reply()).older == 0
        async with ann.subscribe(chat.TypingChannel(room=DEN)) as typing:
            await typing.ready()
            keys = chat.TypingEventKeys(who="bob")
            assert await bob.publish(chat.TypingChannel(room=DEN), keys) is None
            assert await anext(typing) == Event("keys", keys)


@in_loop
async def test_refusals_of_the_real_server_are_typed() -> None:
    async with ChatServer() as server:
        async with guest(server.url, "eve") as eve:
            with pytest.raises(Rejected) as raised:
                await eve.call(chat.Post(room="nowhere", text="x"))
            assert raised.value.error == "not_a_member"
            async with eve.subscribe(chat.RoomChannel(name="nowhere")) as events:
                with pytest.raises(CallError, match="nowhere"):
                    await events.ready()
        async with guest(server.url, "") as nobody:
            with pytest.raises(ConnectError) as refused:
                await nobody.ready()
            assert refused.value.code == 4600


@in_loop
async def test_a_server_that_drains_is_left_and_its_successor_is_found() -> None:
    async with ChatServer() as first, guest(first.url, "ann") as ann:
        await ann.call(chat.Join(room="den"))
        async with ann.subscribe(chat.LobbyChannel()) as lobby:
            await lobby.ready()
            left = asyncio.create_task(reached(ann, Waiting))
            await asyncio.sleep(0)
            await first.stop(signal.SIGTERM)
            assert "4000" in (await left).reason
            async with ChatServer(first.port):
                ann.open()
                await ann.call(chat.Join(room="den"))
                # The new process has another history: that is said.
                assert await anext(lobby) == Gap("epoch")
                await ann.close()
                assert [item async for item in lobby][-1] == Ended("lost", "the client stopped")


def test_nothing_is_lost_doubled_or_out_of_order_over_100_reconnects_in_each_format() -> None:
    async def within() -> None:
        # Beside each other: they wait more than they work.
        async with asyncio.timeout(300):
            each = await asyncio.gather(*(storm(100, 11, it) for it in ["json", "msgpack"]))
        for counts in each:
            assert counts.is_good(), counts
            assert counts.reconnects >= 100
            assert counts.answered == counts.posted == counts.heard

    asyncio.run(within())


@in_loop
async def test_the_example_talks_to_the_real_server() -> None:
    async with ChatServer() as server, guest(server.url, "bob") as bob:
        await bob.call(chat.Join(room="lobby"))
        await bob.call(chat.Post(room="lobby", text="before"))
        folder = Path(__file__).parents[1]
        script = folder / "examples" / "chat.py"
        pipe = asyncio.subprocess.PIPE
        here = {"PYTHONPATH": str(folder / "src"), "NO_PROXY": "*"}
        ann = await asyncio.create_subprocess_exec(
            sys.executable,
            script,
            *("ann", "--url", server.url),
            stdin=pipe,
            stdout=pipe,
            env=here,
        )
        assert ann.stdin is not None
        assert ann.stdout is not None
        async with bob.subscribe(chat.RoomChannel(name="lobby")) as events:
            ann.stdin.write(f"hello\n{'x' * 5000}\n".encode())
            async for item in events:
                if isinstance(item, Event) and isinstance(item.payload, chat.Message):
                    assert (item.payload.by, item.payload.text) == ("ann", "hello")
                    break
        ann.stdin.write(b"\n")
        said = (await ann.stdout.read()).decode().split("\n")
        assert await ann.wait() == 0
        assert said[:2] == ["* in lobby: ann, bob", "  bob: before"]
        assert "* that is too long" in said
