"""What waits for the end of a call (docs/protocol.md, section 7)."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import typing
from collections.abc import AsyncIterator, Callable

from . import events as ev
from .contract import Schema
from .driver import Driver, Finished
from .errors import CallError, PayloadError, Rejected, failure
from .feed import Feed
from .wire import Fault, Outcome

I = typing.TypeVar("I")  # noqa: E741
R = typing.TypeVar("R")

_ROOM = 0.02
"""How often an upload looks for room, in seconds: acknowledgements make it without a word."""


@dataclasses.dataclass(slots=True)
class _Waiting:
    reply: asyncio.Future[ev.Reply]
    item: Callable[[typing.Any], None] | None = None
    granted: asyncio.Event | None = None


class Asking:
    """The calls of a client, each with its one end."""

    def __init__(self, driver: Driver, schema: Schema) -> None:
        self._driver = driver
        self._schema = schema
        self._open: dict[ev.Call, _Waiting] = {}

    def make(
        self, name: str, payload: typing.Any, timeout: float, key: str | None = None
    ) -> ev.Call:
        """A call of a request; raises a `PayloadError` where the payload is not one of it."""
        facts = self._schema.facts(name)
        model = self._schema.contract.REQUESTS.get(name, (typing.Any,))[0]
        return ev.Call(
            name,
            self._schema.write(model, payload),
            self.deadline(timeout),
            None,
            key,
            facts.get("since", 0),
            facts.get("removed", math.inf),
        )

    def deadline(self, timeout: float) -> float:
        """When a call that is made now runs out of time."""
        return self._driver.now() + timeout * 1000

    def begin(
        self,
        call: ev.Call,
        item: Callable[[typing.Any], None] | None = None,
        granted: asyncio.Event | None = None,
        credit: int = 0,
    ) -> asyncio.Future[ev.Reply]:
        """One attempt of a call, to its one reply."""
        reply: asyncio.Future[ev.Reply] = asyncio.get_running_loop().create_future()
        if isinstance(self._driver.state, Finished):
            reply.set_result(ev.Lost(Outcome.NOT_SENT))
            return reply
        session = self._driver.session
        if not session.call(call):
            fault = Fault("overloaded", "too much waits to be sent", "safe")
            reply.set_result(ev.Faulted(fault, Outcome.NOT_SENT))
            return reply
        self._open[call] = _Waiting(reply, item, granted)
        if credit:
            session.credit(call, credit)
        self._driver.pump()
        return reply

    async def once(self, call: ev.Call) -> ev.Reply:
        """The same, for a task that cancels the call when it is cancelled itself."""
        reply = self.begin(call)
        try:
            return await reply
        except asyncio.CancelledError:
            self.cancel(call)
            raise

    def cancel(self, call: ev.Call) -> None:
        """Nobody waits for the answer any more."""
        fault = Fault("cancelled", "no longer wanted", "unknown")
        self._settle(call, ev.Faulted(fault, call.outcome))
        self._driver.session.cancel(call)
        self._driver.pump()

    def result(self, name: str, reply: ev.Reply) -> typing.Any:
        """The answer as its type; raises a `CallError`."""
        parts = self._schema.contract.REQUESTS.get(name, (typing.Any,) * 5)
        try:
            if isinstance(reply, ev.Ok):
                return self._schema.read(parts[1], f"{name}.ok", reply.payload)
            if isinstance(reply, ev.Err):
                raise Rejected(name, self._schema.read(parts[2], f"{name}.err", reply.payload))
        except PayloadError as error:
            raise CallError("invalid", Outcome.PROCESSED, str(error)) from error
        raise failure(name, reply)

    def on(self, event: ev.Answered | ev.Item | ev.Granted) -> None:
        """What the session tells of a call."""
        if isinstance(event, ev.Answered):
            return self._settle(event.call, event.reply)
        waiting = self._open.get(event.call)
        if waiting is None:
            return
        if isinstance(event, ev.Item) and waiting.item is not None:
            waiting.item(event.payload)
        elif isinstance(event, ev.Granted) and waiting.granted is not None:
            waiting.granted.set()

    def finish(self) -> None:
        """The client stopped: every call has its outcome."""
        for call in list(self._open):
            self._settle(call, ev.Lost(call.outcome))

    def _settle(self, call: ev.Call, reply: ev.Reply) -> None:
        waiting = self._open.pop(call, None)
        if waiting is not None and not waiting.reply.done():
            waiting.reply.set_result(reply)


class Stream(Feed[I], typing.Generic[I, R]):
    """The items of a request that streams: read them with `async for`, then `await reply()`.

    Leaving the `async with` before the end cancels the request.
    """

    def __init__(
        self, asking: Asking, driver: Driver, schema: Schema, call: ev.Call, credit: int
    ) -> None:
        super().__init__(self._on_consumed)
        self._asking = asking
        self._driver = driver
        self._schema = schema
        self._call = call
        self._credit = credit
        self._used = 0
        self._model = schema.contract.REQUESTS.get(call.type, (typing.Any,) * 5)[3]
        self._reply = asyncio.get_running_loop().create_task(self._run())
        # Who only reads the items sees the same error in the loop.
        self._reply.add_done_callback(lambda it: it.cancelled() or it.exception())

    async def reply(self) -> R:
        """The answer after the last item; raises the same `CallError` as the loop."""
        answer: R = await asyncio.shield(self._reply)
        return answer

    async def _run(self) -> typing.Any:
        reply = await self._asking.begin(self._call, self._on_item, None, self._credit)
        try:
            answer = self._asking.result(self._call.type, reply)
        except CallError as error:
            self._finish(error)
            raise
        self._finish()
        return answer

    def _on_item(self, payload: typing.Any) -> None:
        # A server that ignores the credit would fill our memory.
        if len(self) > self._credit:
            self._driver.session.close(4500, "items beyond their credit", "session")
            return
        try:
            self._push(self._schema.read(self._model, f"{self._call.type}.item", payload))
        except PayloadError as error:
            self._finish(CallError("invalid", Outcome.UNKNOWN, str(error)))
            self._asking.cancel(self._call)

    def _on_consumed(self, _: int | None) -> None:
        self._used += 1
        if self._used * 2 >= self._credit:
            self._driver.session.credit(self._call, self._used)
            self._used = 0
            self._driver.pump()

    def _left(self) -> None:
        self._asking.cancel(self._call)


async def upload(
    asking: Asking, driver: Driver, schema: Schema, call: ev.Call, parts: AsyncIterator[typing.Any]
) -> ev.Reply:
    """Sends each part when the server reads, and waits for the answer."""
    granted = asyncio.Event()
    model = schema.contract.REQUESTS.get(call.type, (typing.Any,) * 5)[4]
    reply = asking.begin(call, None, granted)
    try:
        async for part in parts:
            body = schema.write(model, part)
            while not reply.done() and not driver.session.part(call, body):
                granted.clear()
                waits = asyncio.ensure_future(granted.wait())
                await asyncio.wait((reply, waits), timeout=_ROOM, return_when="FIRST_COMPLETED")
                waits.cancel()
            if reply.done():
                break
            driver.pump()
        driver.session.end_parts(call)
        driver.pump()
        return await reply
    except BaseException:
        asking.cancel(call)
        raise
