"""Subscriptions and publications, against a scripted server."""

from __future__ import annotations

import asyncio
import typing

import pytest
import workshop as w
from script import Frame, Peer, Script, in_loop

from ws_proto import (
    CallError,
    Ended,
    Event,
    Gap,
    Invalid,
    Live,
    Outcome,
    Position,
    Snapshot,
    Unknown,
)

BENCH = w.BenchChannel(name="a b")
CH = "bench/a%20b"


async def stand(peer: Peer, **done: typing.Any) -> Frame:
    """Answers the next `$sub`."""
    sub = await peer.frame("$sub")
    await peer.say("$ok", {"epoch": "e", "off": 4} | done, re=sub["id"], ch=sub["ch"])
    return sub


async def move(peer: Peer, off: int, prev: int | None = None, by: int = 0) -> None:
    """An event of the bench."""
    prev = off - 1 if prev is None else prev
    await peer.send("bench.moved", {"by": by or off}, ch=CH, off=off, prev=prev)


def moved(off: int) -> Event[w.Moved]:
    """The same, as the client gives it."""
    return Event("moved", w.Moved(by=off), off)


@in_loop
async def test_events_come_in_order_once_and_typed() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(BENCH) as events:
            sub = await stand(peer)
            assert (sub["ch"], sub["payload"]) == (CH, {})
            await events.ready()
            assert events.position == Position("e", 4)
            for off in (5, 6, 5, 6, 7):
                await move(peer, off)
            assert [await anext(events) for _ in range(3)] == [moved(5), moved(6), moved(7)]
        assert (await peer.frame("$unsub"))["ch"] == CH


@in_loop
async def test_what_was_consumed_is_acknowledged_and_nothing_else() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(BENCH) as events:
            await stand(peer)
            for off in range(5, 25):
                await move(peer, off)
            # The 17th was asked for, so 16 are consumed.
            for _ in range(17):
                await anext(events)
            while "ch" not in (ack := await peer.frame("$ack"))["payload"]:
                pass
            assert ack["payload"] == {"ch": {CH: 20}}


@in_loop
async def test_a_lost_session_goes_on_from_the_position_it_had() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(BENCH) as events:
            await stand(peer)
            await move(peer, 5)
            assert await anext(events) == moved(5)
            await peer.lose()
            peer = await script.peer()
            await peer.welcome(id="other")
            sub = await stand(peer, off=5, recovered=True)
            assert sub["payload"] == {"since": {"epoch": "e", "off": 5}}
            await move(peer, 6)
            await peer.send("$live", None, ch=CH, off=6)
            assert [await anext(events) for _ in range(2)] == [moved(6), Live(6)]
            await peer.lose()
            peer = await script.peer()
            await peer.welcome(id="third")
            await stand(peer, epoch="f", off=0, recovered=False, reason="epoch")
            assert await anext(events) == Gap("epoch")


@in_loop
async def test_a_resumed_session_drops_what_comes_again() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(BENCH) as events:
            await stand(peer)
            await move(peer, 5)
            assert await anext(events) == moved(5)
            await peer.lose()
            peer = await script.peer()
            await peer.welcome(resumed=True, recv=1, seq=1)
            await move(peer, 5)
            await move(peer, 6)
            assert await anext(events) == moved(6)


@in_loop
async def test_loss_is_an_item_also_where_the_server_is_silent_about_it() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(BENCH) as events:
            await stand(peer)
            await move(peer, 9, prev=7)
            await peer.send("$gap", {"reason": "trimmed", "after": 9, "until": 12}, ch=CH)
            await peer.send("$gap", {"reason": "version", "after": 12, "until": 13}, ch=CH)
            await peer.send("$gap", {"reason": "tired", "after": 13, "until": 14}, ch=CH)
            got = [await anext(events) for _ in range(4)]
            assert got == [
                Gap("trimmed", 4, 7),
                moved(9),
                Gap("trimmed", 9, 12),
                Gap("slow", 13, 14),
            ]


@in_loop
async def test_a_snapshot_comes_before_the_events_and_in_place_of_a_gap() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(BENCH) as events:
            sub = await peer.frame("$sub")
            more = {"re": sub["id"], "ch": CH}
            await peer.say("bench.snapshot", {"boards": 3}, off=4, **more)
            await peer.say("$ok", {"epoch": "e", "off": 4}, **more)
            await move(peer, 5)
            await peer.say("bench.snapshot", {"boards": 9}, off=40, **more)
            await peer.say("bench.snapshot", {"boards": "many"}, off=50, **more)
            assert await anext(events) == Snapshot(w.Stock(boards=3))
            assert await anext(events) == moved(5)
            assert await anext(events) == Snapshot(w.Stock(boards=9))
            wrong = await anext(events)
            assert isinstance(wrong, Invalid)
            assert wrong.error.path == "payload.boards"


@in_loop
async def test_an_event_that_cannot_be_read_keeps_its_place() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(BENCH) as events:
            await stand(peer)
            await peer.send("bench.burnt", {"x": 1}, ch=CH, off=5, prev=4)
            await peer.send("bench.moved", {"by": "me"}, ch=CH, off=6, prev=5)
            await move(peer, 7)
            assert await anext(events) == Unknown("burnt", {"x": 1}, 5)
            wrong = await anext(events)
            assert isinstance(wrong, Invalid)
            assert (wrong.name, wrong.off, wrong.error.path) == ("moved", 6, "payload.by")
            assert await anext(events) == moved(7)


@in_loop
async def test_a_refused_subscription_says_so_twice_and_a_revoked_one_ends() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        events = client.subscribe(BENCH)
        sub = await peer.frame("$sub")
        fault = {"code": "forbidden", "message": "not for you", "retry": "never"}
        await peer.say("$err", fault, re=sub["id"])
        for waits in (events.ready(), anext(events)):
            with pytest.raises(CallError) as raised:
                await waits
            assert raised.value.outcome is Outcome.NOT_PROCESSED
        events = client.subscribe(BENCH)
        await stand(peer)
        revoked = {"code": "forbidden", "reason": "removed", "retry": "never"}
        await peer.say("$unsubbed", revoked, ch=CH)
        assert [item async for item in events] == [Ended("forbidden", "removed")]
        # It may be asked for again.
        client.subscribe(BENCH)
        await stand(peer)


@in_loop
async def test_one_channel_has_one_subscription() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(BENCH):
            await stand(peer)
            with pytest.raises(ValueError, match="there is a subscription"):
                client.subscribe(BENCH)
        # Behind the barrier of the one that was left.
        client.subscribe(BENCH)
        unsub = await peer.frame("$unsub")
        await peer.say("$ok", {}, re=unsub["id"], ch=CH)
        assert (await peer.frame("$sub"))["ch"] == CH


@in_loop
async def test_a_reader_that_is_slow_on_best_effort_loses_the_oldest_and_hears_how_many() -> None:
    async with Script() as script, script.client(window=8) as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(w.NoiseChannel()) as events:
            sub = await peer.frame("$sub")
            await peer.say("$ok", {}, re=sub["id"], ch="noise")
            for n in range(20):
                await peer.send("noise.moved", {"by": n}, ch="noise")
            await peer.send("$ping", {"t": 1})
            await peer.frame("$pong")
            items = [await anext(events) for _ in range(8)]
            assert items[0] == Gap("slow", dropped=13)
            assert items[1:] == [Event("moved", w.Moved(by=n)) for n in range(13, 20)]


@in_loop
async def test_a_server_that_ignores_the_window_is_closed() -> None:
    async with Script() as script, script.client(window=8) as client:
        peer = await script.peer()
        await peer.welcome()
        client.subscribe(BENCH)
        await stand(peer)
        for off in range(5, 23):
            await move(peer, off)
        assert (await peer.frame("$close"))["payload"]["code"] == 4500


@in_loop
async def test_what_a_resume_cannot_know_of_best_effort_is_a_gap() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(w.NoiseChannel()) as events:
            sub = await peer.frame("$sub")
            await peer.say("$ok", {}, re=sub["id"], ch="noise")
            await events.ready()
            await peer.lose()
            peer = await script.peer()
            await peer.welcome(resumed=True, recv=1, seq=1)
            assert await anext(events) == Gap("slow")


@in_loop
async def test_a_publication_has_its_position() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        said = asyncio.create_task(client.publish(BENCH, w.Moved(by=3), key="k"))
        frame = await peer.frame("bench.moved")
        assert (frame["ch"], frame["key"], frame["payload"]) == (CH, "k", {"by": 3})
        await peer.say("$ok", {"epoch": "e", "off": 9}, re=frame["id"], ch=CH)
        assert await said == Position("e", 9)
        with pytest.raises(TypeError, match="not exactly one event"):
            await client.publish(BENCH, w.Stock(boards=1))  # type: ignore[misc]


@in_loop
async def test_a_subscription_ends_with_the_client() -> None:
    async with Script() as script:
        async with script.client() as client:
            peer = await script.peer()
            await peer.welcome()
            events = client.subscribe(BENCH)
            await stand(peer)
            await events.ready()
        assert [item async for item in events] == [Ended("lost", "the client stopped")]
        late = client.subscribe(BENCH)
        assert [item async for item in late] == [Ended("lost", "the client is closed")]


@in_loop
async def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(BENCH) as events:
            await stand(peer)
            await events.ready()
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await move(peer, 5)
            assert await anext(events) == moved(5)


@in_loop
async def test_a_server_that_says_live_without_end_is_closed() -> None:
    async with Script() as script, script.client(window=8) as client:
        peer = await script.peer()
        await peer.welcome()
        client.subscribe(BENCH)
        await stand(peer)
        for _ in range(20):
            await peer.send("$live", None, ch=CH, off=4)
        assert (await peer.frame("$close"))["payload"]["code"] == 4500


@in_loop
async def test_an_event_that_the_version_does_not_have_is_not_published() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome(version=1)
        with pytest.raises(CallError) as raised:
            await client.publish(BENCH, w.Moved(by=3))
        assert (raised.value.kind, raised.value.outcome) == ("unsupported", Outcome.NOT_SENT)


@in_loop
async def test_what_another_version_has_is_passed_over_and_acknowledged() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        async with client.subscribe(BENCH) as events:
            await stand(peer)
            await peer.send("$gap", {"reason": "version", "after": 4, "until": 30}, ch=CH)
            reading = asyncio.ensure_future(anext(events))
            while "ch" not in (ack := await peer.frame("$ack"))["payload"]:
                pass
            assert ack["payload"] == {"ch": {CH: 30}}
            await move(peer, 31)
            assert await reading == moved(31)
