"""Calls, streams, uploads and callbacks, against a scripted server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import workshop as w
from script import Script, in_loop

from ws_proto import CallError, Outcome, PayloadError, Rejected, Rejection, error_of


@in_loop
async def test_a_call_has_its_answer_as_its_type() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        answer = asyncio.create_task(client.call(w.Saw(length=3)))
        await peer.welcome()
        asked = await peer.frame("saw")
        # A field that was not given is absent, and what may be repeated has a key.
        assert (asked["payload"], asked["seq"], "key" in asked) == ({"length": 3}, 1, True)
        assert 0 < asked["ttl"] <= 30_000
        await peer.say("saw.ok", {"pieces": [1, 2], "more": True}, re=asked["id"])
        assert await answer == w.Sawn(pieces=[1, 2])


@in_loop
async def test_a_typed_error_is_raised_with_its_error() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        answer = asyncio.create_task(client.call(w.Saw(length=3)))
        await peer.welcome()
        asked = await peer.frame("saw")
        await peer.say("saw.err", "blunt", re=asked["id"])
        with pytest.raises(Rejected) as raised:
            await answer
        assert raised.value.outcome is Outcome.PROCESSED
        assert error_of(raised.value, w.Saw) == "blunt"


@pytest.mark.parametrize(
    ("type", "payload", "message"),
    [
        ("saw.ok", {"pieces": [1, "2"]}, "saw.ok: payload.pieces.1: Input should be a valid inte"),
        ("saw.ok", {}, "saw.ok: payload.pieces: Field required"),
        ("saw.err", "tired", "saw.err: payload: Input should be 'blunt' or 'busy'"),
    ],
)
@in_loop
async def test_an_answer_of_another_shape_is_one_error_with_its_path(
    type: str, payload: object, message: str
) -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        answer = asyncio.create_task(client.call(w.Saw(length=3)))
        await peer.welcome()
        asked = await peer.frame("saw")
        await peer.say(type, payload, re=asked["id"])
        with pytest.raises(CallError) as raised:
            await answer
        assert (raised.value.kind, raised.value.outcome) == ("invalid", Outcome.PROCESSED)
        assert str(raised.value).startswith(message)
        assert isinstance(raised.value.__cause__, PayloadError)


@in_loop
async def test_a_cancelled_task_cancels_its_request() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        answer = asyncio.create_task(client.call(w.Saw(length=3)))
        await peer.welcome()
        asked = await peer.frame("saw")
        answer.cancel()
        cancel = await peer.frame("$cancel")
        assert (cancel["re"], cancel["seq"]) == (asked["id"], 2)
        with pytest.raises(asyncio.CancelledError):
            await answer
        # The answer still comes, and goes nowhere.
        await peer.say("saw.ok", {"pieces": []}, re=asked["id"])
        second = asyncio.create_task(client.call(w.Saw(length=4)))
        asked = await peer.frame("saw")
        await peer.say("saw.ok", {"pieces": [4]}, re=asked["id"])
        assert (await second).pieces == [4]


@in_loop
async def test_a_call_without_an_answer_ends_with_its_time() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        late = asyncio.create_task(client.call(w.Saw(length=1), timeout=0.01))
        with pytest.raises(CallError) as raised:
            await late
        assert (raised.value.kind, raised.value.outcome) == ("timeout", Outcome.NOT_SENT)
        await peer.welcome()
        await client.ready()
        with pytest.raises(CallError) as raised:
            await client.call(w.Saw(length=2), timeout=0.05)
        assert (raised.value.kind, raised.value.outcome) == ("timeout", Outcome.UNKNOWN)
        asked = await peer.frame("saw")
        assert asked["payload"] == {"length": 2}
        assert (await peer.frame("$cancel"))["re"] == asked["id"]


@in_loop
async def test_what_the_version_does_not_have_is_not_sent() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        answer = asyncio.create_task(client.call(w.Glue()))
        await peer.welcome(version=1)
        with pytest.raises(CallError) as raised:
            await answer
        assert (raised.value.kind, raised.value.outcome) == ("unsupported", Outcome.NOT_SENT)


@in_loop
async def test_a_request_too_large_for_the_server_is_not_sent() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        answer = asyncio.create_task(client.call(w.Saw(length=1, note="x" * 70_000)))
        await peer.welcome()
        with pytest.raises(CallError) as raised:
            await answer
        assert raised.value.fault is not None
        assert (raised.value.fault.code, raised.value.outcome) == ("too_large", Outcome.NOT_SENT)


@in_loop
async def test_a_stream_gives_its_items_under_credit_and_then_its_answer() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        async with client.stream(w.Count(), credit=4) as stream:
            await peer.welcome()
            asked = await peer.frame("count")
            assert (await peer.frame("$credit"))["payload"] == {"n": 4}
            for n in range(4):
                await peer.say("count.item", n, re=asked["id"])
            assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
            # Half of it was consumed.
            assert (await peer.frame("$credit"))["payload"] == {"n": 2}
            await peer.say("count.item", 4, re=asked["id"])
            await peer.say("count.ok", "done", re=asked["id"])
            assert [n async for n in stream] == [3, 4]
            assert await stream.reply() == "done"


@in_loop
async def test_leaving_a_stream_early_cancels_it() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        async with client.stream(w.Count()) as stream:
            await peer.welcome()
            asked = await peer.frame("count")
            await peer.say("count.item", 0, re=asked["id"])
            async for n in stream:
                assert n == 0
                break
        assert (await peer.frame("$cancel"))["re"] == asked["id"]
        with pytest.raises(CallError, match="no longer wanted"):
            await stream.reply()


@in_loop
async def test_an_item_of_another_shape_ends_the_stream_with_its_path() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        async with client.stream(w.Count()) as stream:
            await peer.welcome()
            asked = await peer.frame("count")
            await peer.say("count.item", "0", re=asked["id"])
            with pytest.raises(CallError, match=r"count\.item: payload: Input should be"):
                await anext(stream)
            assert (await peer.frame("$cancel"))["re"] == asked["id"]


@in_loop
async def test_items_beyond_their_credit_end_the_connection() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        async with client.stream(w.Count(), credit=2):
            await peer.welcome()
            asked = await peer.frame("count")
            for n in range(4):
                await peer.say("count.item", n, re=asked["id"])
            assert (await peer.frame("$close"))["payload"]["code"] == 4500


@in_loop
async def test_an_upload_sends_as_many_parts_as_the_server_takes() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        answer = asyncio.create_task(client.upload(w.Store(), ["a", "b", "c"]))
        await peer.welcome()
        asked = await peer.frame("store")
        await peer.say("$credit", {"n": 2}, re=asked["id"])
        parts = [await peer.frame("store.part") for _ in range(2)]
        await peer.say("$credit", {"n": 8}, re=asked["id"])
        parts.append(await peer.frame("store.part"))
        assert [part["payload"] for part in parts] == ["a", "b", "c"]
        assert (await peer.frame("$end"))["seq"] == 5
        await peer.say("store.ok", 3, re=asked["id"])
        assert await answer == 3


@in_loop
async def test_an_upload_whose_parts_fail_is_cancelled() -> None:
    async def parts() -> AsyncIterator[str]:
        yield "a"
        raise OSError("no such file")

    async with Script() as script, script.client() as client:
        peer = await script.peer()
        answer = asyncio.create_task(client.upload(w.Store(), parts()))
        await peer.welcome()
        asked = await peer.frame("store")
        await peer.say("$credit", {"n": 2}, re=asked["id"])
        with pytest.raises(OSError, match="no such file"):
            await answer
        assert (await peer.frame("$cancel"))["re"] == asked["id"]


@in_loop
async def test_the_server_asks_and_has_its_one_answer() -> None:
    async def confirm(asked: w.Confirm) -> bool:
        if asked.text == "fail":
            raise Rejection("not today")
        if asked.text == "wait":
            await asyncio.get_running_loop().create_future()
        return asked.text == "yes"

    async with Script() as script, script.client() as client:
        client.serve(w.Confirm, confirm)
        peer = await script.peer()
        await peer.welcome()
        asked = await peer.say("confirm", {"text": "yes"})
        answer = await peer.frame("confirm.ok")
        assert (answer["payload"], answer["re"], answer["seq"]) == (True, asked, 1)
        await peer.say("confirm", {"text": "fail"})
        assert (await peer.frame("confirm.err"))["payload"] == "not today"
        await peer.say("confirm", {"words": "yes"})
        fault = (await peer.frame("$err"))["payload"]
        assert (fault["code"], fault["retry"]) == ("invalid", "never")
        assert fault["message"] == "confirm: payload.text: Field required"
        await peer.say("dance", {})
        assert (await peer.frame("$err"))["payload"]["code"] == "unimplemented"
        asked = await peer.say("confirm", {"text": "wait"})
        await peer.say("$cancel", None, re=asked)
        assert (await peer.frame("$err"))["payload"]["code"] == "cancelled"


@in_loop
async def test_what_waits_while_there_is_no_connection_is_bounded() -> None:
    async with Script() as script, script.client() as client:
        calls = [asyncio.create_task(client.call(w.Saw(length=n))) for n in range(1030)]
        done, waiting = await asyncio.wait(calls, return_when="FIRST_COMPLETED")
        assert len(done) == 6
        errors = [task.exception() for task in done]
        assert all(isinstance(it, CallError) and it.fault for it in errors)
        await client.close()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert {isinstance(it, CallError) and it.outcome for it in ends} == {Outcome.NOT_SENT}


@in_loop
async def test_a_model_that_is_no_request_is_refused_at_once() -> None:
    async with Script() as script, script.client() as client:
        with pytest.raises(TypeError, match="say its name"):
            await client.call(w.Stock(boards=1))  # type: ignore[arg-type]
