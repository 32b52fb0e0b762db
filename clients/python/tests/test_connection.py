"""Connecting, losing, resuming, credentials and the ends, against a scripted server."""

from __future__ import annotations

import asyncio
import re

import pytest
import workshop as w
from script import Peer, Script, in_loop, reached
from websockets.datastructures import Headers
from websockets.http11 import Response

from ws_proto import Backoff, CallError, Client, ConnectError, Finished, Options, Outcome, Waiting
from ws_proto.socket import uuid7


@in_loop
async def test_a_call_goes_on_over_the_next_connection() -> None:
    async with Script() as script, script.client(token="me") as client:
        peer = await script.peer()
        answer = asyncio.create_task(client.call(w.Glue()))
        hello = await peer.welcome(id="s7", ticket="t7")
        assert hello["payload"]["auth"] == {"token": "me"}
        asked = await peer.frame("glue")
        await peer.lose()
        peer = await script.peer()
        hello = await peer.welcome(id="s7", ticket="t8", resumed=True, recv=0)
        assert hello["payload"]["resume"] == {"session": "s7", "ticket": "t7", "recv": 0}
        again = await peer.frame("glue")
        # Unchanged, but for the acknowledgement.
        assert {**again, "ack": 0} == {**asked, "ack": 0}
        await peer.say("glue.ok", None, re=asked["id"])
        await answer


@in_loop
async def test_a_lost_session_repeats_only_what_may_be_repeated() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        saw = asyncio.create_task(client.call(w.Saw(length=1)))
        glue = asyncio.create_task(client.call(w.Glue()))
        await peer.welcome()
        first = await peer.frame("saw")
        await peer.frame("glue")
        await peer.lose()
        peer = await script.peer()
        await peer.welcome(id="other")
        with pytest.raises(CallError) as raised:
            await glue
        assert (raised.value.kind, raised.value.outcome) == ("lost", Outcome.UNKNOWN)
        second = await peer.frame("saw")
        assert (second["key"], second["seq"]) == (first["key"], 1)
        assert second["id"] != first["id"]
        await peer.say("saw.ok", {"pieces": []}, re=second["id"])
        assert (await saw).pieces == []


@in_loop
async def test_a_doubt_stays_one_after_a_repeated_call_was_refused() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        saw = asyncio.create_task(client.call(w.Saw(length=1)))
        await peer.welcome()
        await peer.frame("saw")
        await peer.lose()
        peer = await script.peer()
        await peer.welcome(id="other")
        asked = await peer.frame("saw")
        fault = {"code": "overloaded", "message": "later", "retry": "safe"}
        await peer.say("$err", fault, re=asked["id"])
        with pytest.raises(CallError) as raised:
            await saw
        assert raised.value.outcome is Outcome.UNKNOWN


@in_loop
async def test_what_a_draining_server_refused_is_asked_of_the_next() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        glue = asyncio.create_task(client.call(w.Glue()))
        await peer.welcome()
        asked = await peer.frame("glue")
        fault = {"code": "draining", "message": "stops", "retry": "safe"}
        await peer.say("$err", fault, re=asked["id"])
        close = {"code": 4000, "reason": "stops", "retry_after_ms": [1, 2]}
        delays: list[float] = []
        client.on_state(lambda it: delays.append(it.delay) if isinstance(it, Waiting) else None)
        await peer.send("$close", close)
        peer = await script.peer()
        await peer.welcome(id="other")
        asked = await peer.frame("glue")
        await peer.say("glue.ok", None, re=asked["id"])
        await glue
        # The first delay was drawn from the window.
        assert 0.001 <= delays[0] <= 0.002


@pytest.mark.parametrize(
    ("code", "comes_back", "resumes"),
    [
        (4000, True, True),
        (4002, True, True),
        (4100, True, False),
        (4200, True, True),
        (4300, True, True),
        (4499, True, True),
        (4500, False, False),
        (4601, False, False),
        (4701, False, False),
        (4900, False, False),
        (1000, False, False),
        (1012, True, True),
        (2999, False, False),
    ],
)
@in_loop
async def test_the_range_of_a_close_code_says_what_follows(
    code: int, comes_back: bool, resumes: bool
) -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        await client.ready()
        await peer.send("$close", {"code": code, "reason": "as told"})
        if comes_back:
            hello = await (await script.peer()).frame("$hello")
            assert ("resume" in hello["payload"]) == resumes
        else:
            error = (await reached(client, Finished)).error
            assert error is not None
            assert error.code == code


@in_loop
async def test_a_refused_hello_stops_the_client_and_says_why() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.frame("$hello")
        error = {"code": "unimplemented", "message": "too old", "retry": "never"}
        reject = {"close": 4511, "error": error, "protocol": "workshop", "supported": [3, 4]}
        call = asyncio.create_task(client.call(w.Saw(length=1)))
        await peer.send("$reject", reject)
        with pytest.raises(ConnectError) as raised:
            await client.ready()
        assert raised.value.code == 4511
        assert raised.value.reject is not None
        assert raised.value.reject["supported"] == [3, 4]
        with pytest.raises(CallError) as lost:
            await call
        assert (lost.value.kind, lost.value.outcome) == ("lost", Outcome.NOT_SENT)


@pytest.mark.parametrize("status", [400, 403, 404, 302, 426])
@in_loop
async def test_a_refused_upgrade_stops_the_client_with_its_status(status: int) -> None:
    def answer(_: int) -> Response:
        return Response(status, "No", Headers({"Location": "ws://127.0.0.1:1/"}), b"no")

    async with Script(answer) as script, script.client() as client:
        with pytest.raises(ConnectError) as raised:
            await client.ready()
        assert raised.value.code == status


@pytest.mark.parametrize("status", [429, 500, 503])
@in_loop
async def test_a_server_without_room_is_asked_again_later(status: int) -> None:
    def answer(attempt: int) -> Response | None:
        headers = Headers({"Retry-After": "0"})
        return Response(status, "No", headers, b"") if attempt <= 2 else None

    async with Script(answer) as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        assert (await client.ready()).version == 2


@in_loop
async def test_the_delay_comes_on_top_of_what_the_server_names() -> None:
    def answer(_: int) -> Response:
        return Response(503, "No", Headers({"Retry-After": "7"}), b"")

    async with Script(answer) as script, script.client() as client:
        assert 7.0005 <= (await reached(client, Waiting)).delay <= 7.0015


@in_loop
async def test_a_server_of_another_format_stops_the_client() -> None:
    async with Script() as script:
        script.subprotocol = "wsp9.cbor"
        async with script.client() as client:
            with pytest.raises(ConnectError) as raised:
                await client.ready()
            assert raised.value.code == 4510


@in_loop
async def test_after_so_many_attempts_the_client_stops_until_it_is_told_to_go_on() -> None:
    backoff = Backoff(base=0.0001, longest=0.0001, attempts=3)
    client = Client("ws://127.0.0.1:1/", w, Options(backoff=backoff, socket={"proxy": None}))
    attempts: list[object] = []
    client.on_state(attempts.append)
    async with client:
        with pytest.raises(ConnectError, match="gave up"):
            await client.ready()
        count = len(attempts)
        client.open()
        with pytest.raises(ConnectError, match="gave up"):
            await client.ready()
        assert len(attempts) == 2 * count


@in_loop
async def test_credentials_are_renewed_over_the_living_connection() -> None:
    given = 0

    async def token() -> str:
        nonlocal given
        given += 1
        return f"token {given}"

    async with Script() as script, script.client(token=token) as client:
        peer = await script.peer()
        hello = await peer.welcome(more={"auth": {"expires_in_ms": 10}})
        assert hello["payload"]["auth"] == {"token": "token 1"}
        auth = await peer.frame("$auth")
        assert auth["payload"] == {"token": "token 2"}
        await peer.send("$auth_ok", {}, re=auth["id"])
        await client.ready()


@in_loop
async def test_credentials_that_cannot_be_had_are_asked_for_again() -> None:
    asked = 0

    def token() -> str:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise OSError("no network")
        return "late"

    async with Script() as script, script.client(token=token):
        hello = await (await script.peer()).frame("$hello")
        assert (hello["payload"]["auth"], asked) == ({"token": "late"}, 3)


async def _fault(peer: Peer, text: str | bytes) -> int:
    await peer.welcome()
    await peer.socket.send(text)
    code: int = (await peer.frame("$close"))["payload"]["code"]
    return code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no JSON", 4500),
        ('{"type":"x","id":"0","ts":0,"payload":null}', 4500),
        ("[" * 60_000, 4500),
        (b"binary", 4504),
        (
            '{"type":"saw.ok","id":"00000000-0000-7000-8000-000000000009","ts":0,"seq":9,'
            '"re":"00000000-0000-7000-8000-000000000001","payload":{}}',
            4006,
        ),
    ],
)
@in_loop
async def test_a_server_that_breaks_the_protocol_is_told(text: str | bytes, code: int) -> None:
    async with Script() as script, script.client() as client:
        assert await _fault(await script.peer(), text) == code
        if code == 4006:
            await script.peer()
        else:
            with pytest.raises(ConnectError):
                await client.ready()


@in_loop
async def test_a_message_larger_than_announced_ends_the_connection() -> None:
    async with Script() as script, script.client() as client:
        peer = await script.peer()
        await peer.welcome()
        await client.ready()
        await peer.socket.send("x" * 70_000)
        await peer.closed()
        error = (await reached(client, Finished)).error
        assert error is not None
        assert error.code == 4503


@in_loop
async def test_closing_says_goodbye_and_ends_what_waits() -> None:
    async with Script() as script:
        client = script.client()
        client.open()
        peer = await script.peer()
        await peer.welcome()
        call = asyncio.create_task(client.call(w.Glue()))
        await peer.frame("glue")
        goodbye = asyncio.create_task(peer.closed())
        await client.close()
        assert await goodbye == 1000
        with pytest.raises(CallError) as raised:
            await call
        assert (raised.value.kind, raised.value.outcome) == ("lost", Outcome.UNKNOWN)
        assert client.state == Finished()


@in_loop
async def test_a_client_closes_while_it_waits_for_a_server() -> None:
    slow = Backoff(base=3000.0, longest=3000.0)
    client = Client("ws://127.0.0.1:1/", w, Options(backoff=slow, socket={"proxy": None}))
    async with client:
        await reached(client, Waiting)
    assert isinstance(client.state, Finished)


@in_loop
async def test_hurrying_does_not_wait_for_the_delay() -> None:
    slow = Backoff(base=3000.0, longest=3000.0)
    async with Script() as script, script.client(backoff=slow) as client:
        peer = await script.peer()
        await peer.welcome()
        await client.ready()
        await peer.lose()
        await reached(client, Waiting)
        client.open()
        await (await script.peer()).welcome()
        await client.ready()


def test_the_delays_double_up_to_the_longest_with_half_of_it_either_way() -> None:
    backoff = Backoff()
    for failed, base in enumerate([1, 2, 4, 8, 16, 30, 30]):
        delays = [backoff.delay(failed) for _ in range(200)]
        assert base / 2 <= min(delays) < base < max(delays) <= base * 1.5
    assert backoff.delay(9999) <= 45
    assert 0.1 <= backoff.delay(5, (100, 200)) <= 0.2
    assert backoff.delay(0, (10**12, 10**13)) == 3600


def test_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    ids = [uuid7() for _ in range(100)]
    pattern = r"[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}"
    assert all(re.fullmatch(pattern, id) for id in ids)
    assert len(set(ids)) == 100
    assert [id[:13] for id in ids] == sorted(id[:13] for id in ids)
