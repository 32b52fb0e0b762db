"""This client as a testee of the conformance runner (docs/conformance.md).

It obeys orders on its standard input and says what happened on its standard output.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import typing
from collections.abc import Coroutine

import conformance_protocol as contract
import pydantic

from ws_proto import (
    Backoff,
    CallError,
    Client,
    Ended,
    Event,
    Finished,
    Gap,
    Live,
    Options,
    Position,
    Ready,
    Rejected,
    Rejection,
    Snapshot,
    State,
    Unknown,
    Waiting,
)

Order = dict[str, typing.Any]

_CHANNELS: dict[str, typing.Any] = {
    "board": contract.BoardChannel,
    "room": contract.RoomChannel,
    "typing": contract.TypingChannel,
}
_LONGEST_ORDER = 2**24


class Testee:
    """A client, and what it was told to do."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        self._others: set[asyncio.Task[None]] = set()

    def obey(self, order: Order) -> None:
        """Begins what is ordered."""
        match order["do"]:
            case "call":
                self._begin(order, self._call(order))
            case "stream":
                self._begin(order, self._stream(order))
            case "upload":
                self._begin(order, self._upload(order))
            case "publish":
                self._begin(order, self._publish(order))
            case "cancel":
                self._calls[order["n"]].cancel()
                say({"n": order["n"], "failed": "cancelled"})
            case "subscribe":
                self._subscriptions[order["ch"]] = asyncio.create_task(self._listen(order))
            case "unsubscribe":
                self._subscriptions.pop(order["ch"]).cancel()
            case "close":
                closing = asyncio.create_task(self._client.close())
                self._others.add(closing)
            case other:
                raise ValueError(f"no order: {other}")

    def _begin(self, order: Order, work: Coroutine[typing.Any, typing.Any, Order]) -> None:
        self._calls[order["n"]] = asyncio.create_task(answer(order["n"], work))

    async def _call(self, order: Order) -> Order:
        name, payload = order["type"], request(order)
        reply = await self._client.ask(name, payload, timeout=patience(order), key=order.get("key"))
        return {"ok": plain(reply)}

    async def _stream(self, order: Order) -> Order:
        async with self._client.stream(request(order), timeout=patience(order)) as items:
            async for item in items:
                say({"n": order["n"], "item": plain(item)})
            return {"ok": plain(await items.reply())}

    async def _upload(self, order: Order) -> Order:
        parts = [contract.Number(**part) for part in order["parts"]]
        reply = await self._client.upload(request(order), parts, timeout=patience(order))
        return {"ok": plain(reply)}

    async def _publish(self, order: Order) -> Order:
        kind, name = order["ch"].split("/", 1)
        event = read(contract.CHANNELS[kind][order["event"]], order["payload"])
        at = await self._client.publish(_CHANNELS[kind](name), event, name=order["event"])
        return {"published": {"epoch": at.epoch, "off": at.off} if at else None}

    async def _listen(self, order: Order) -> None:
        ch, since = order["ch"], order.get("since")
        kind, name = ch.split("/", 1)
        position = Position(since["epoch"], since["off"]) if since else None
        async with self._client.subscribe(_CHANNELS[kind](name), position) as items:
            try:
                await items.ready()
            except CallError as refused:
                code = refused.fault.code if refused.fault else refused.kind
                return say({"ch": ch, "refused": code})
            say({"ch": ch, "subscribed": True})
            async for item in items:
                match item:
                    case Event(event, payload) | Unknown(event, payload):
                        say({"ch": ch, "event": event, "payload": plain(payload)})
                    case Snapshot(state):
                        say({"ch": ch, "snapshot": plain(state)})
                    case Gap():
                        say({"ch": ch, "gap": True})
                    case Live():
                        say({"ch": ch, "live": True})
                    case Ended(code):
                        say({"ch": ch, "ended": code})


async def answer(n: int, work: typing.Awaitable[Order]) -> None:
    """Says how a call ended."""
    try:
        return say({"n": n, **await work})
    except Rejected as rejected:
        return say({"n": n, "err": plain(rejected.error)})
    except CallError as failed:
        outcome = failed.outcome.value
        if failed.fault is not None:
            return say({"n": n, "fault": failed.fault.code, "outcome": outcome})
        return say({"n": n, "failed": failed.kind, "outcome": outcome})


async def confirm(question: contract.Confirm) -> contract.Yes:
    """What the server asks; to `wait` there is no answer."""
    if question.text == "busy":
        raise Rejection(contract.Busy(why="busy"))
    if question.text == "wait":
        await asyncio.get_running_loop().create_future()
    return contract.Yes(yes=True)


async def locate(_: contract.Locate) -> contract.Text:
    """What the server asks, since version 2."""
    return contract.Text(text="here")


def tell(state: State) -> None:
    """Says where the connection stands."""
    match state:
        case Ready():
            say({"state": "ready"})
        case Waiting():
            say({"state": "waiting"})
        case Finished(error):
            say({"state": "closed", "code": error.code if error else None})


def request(order: Order) -> typing.Any:
    """The payload of a request, as its type."""
    return read(contract.REQUESTS[order["type"]][0], order["payload"])


def patience(order: Order) -> float | None:
    """How long an answer is worth waiting for, in seconds."""
    return order["ttl_ms"] / 1000 if "ttl_ms" in order else None


def read(model: typing.Any, payload: typing.Any) -> typing.Any:
    """A payload of an order, as its type."""
    return pydantic.TypeAdapter(model).validate_python(payload)


def plain(payload: typing.Any) -> typing.Any:
    """What a report can hold."""
    return pydantic.TypeAdapter(typing.Any).dump_python(payload, mode="json", exclude_unset=True)


def say(report: Order) -> None:
    """One line."""
    print(json.dumps(report), flush=True)


async def main() -> None:
    """Connects, and obeys until the input ends."""
    loop = asyncio.get_running_loop()
    format: typing.Literal["json", "msgpack"]
    format = "msgpack" if os.environ["WSP_FORMAT"] == "msgpack" else "json"
    # A function is asked again, where the server wants other credentials.
    options = Options(
        token=lambda: "ann", format=format, backoff=Backoff(base=0.05), socket={"proxy": None}
    )
    client = Client(os.environ["WSP_URL"], contract, options)
    client.serve(contract.Confirm, confirm)
    client.serve(contract.Locate, locate)
    client.on_state(tell)
    client.open()
    orders = asyncio.StreamReader(limit=_LONGEST_ORDER)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    testee = Testee(client)
    while line := await orders.readline():
        testee.obey(json.loads(line))
        # One order is under way before the next is read.
        await asyncio.sleep(0)
    # The process ends with its input, whatever is under way.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
