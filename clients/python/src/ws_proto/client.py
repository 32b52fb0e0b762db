"""The typed client: calls, streams, uploads, subscriptions and callbacks (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import typing
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable

from . import events as ev
from .answering import Answering
from .asking import Asking, Stream, upload
from .codec import named
from .contract import Callback, Channel, Contract, Plain, Publishable, Schema, Streaming, Uploading
from .driver import Driver, DriverOptions, Finished, Ready, State
from .errors import CallError, ConnectError, failure
from .socket import uuid7
from .subscription import Subscription
from .wire import Outcome, Position, address

R = typing.TypeVar("R")
E = typing.TypeVar("E")
I = typing.TypeVar("I")  # noqa: E741
P = typing.TypeVar("P")
Q = typing.TypeVar("Q")
S = typing.TypeVar("S")

_TIMEOUT = 30.0
_CREDIT = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(DriverOptions):
    """How to connect, and how calls are made."""

    format: typing.Literal["json", "msgpack"] = "json"
    """The wire format. `msgpack` needs the extra of that name."""
    timeout: float = _TIMEOUT
    """How long a call may take, where the call does not say. Seconds."""


class Client:
    """A connection that comes back by itself, and the session that goes on over it.

    `contract` is a module that `wsp gen python` wrote. Use it in `async with`, or call `open` and
    `close`, where an event loop runs.
    """

    def __init__(self, url: str, contract: Contract, options: Options | None = None) -> None:
        self._options = options or Options()
        self._schema = Schema(contract, named(self._options.format))
        self._answering = Answering(self._schema)
        config = (contract.PROTOCOL, contract.VERSIONS, self._answering.serves)
        on = (self._on, self._on_state)
        self._driver = Driver(url, self._options, self._schema.codec, config, on)
        self._asking = Asking(self._driver, self._schema)
        self._listeners: list[Callable[[State], None]] = []
        self._subscriptions: dict[str, Subscription[typing.Any, typing.Any]] = {}
        # Who waits for the next state.
        self._turns: set[asyncio.Future[None]] = set()

    async def __aenter__(self) -> typing.Self:
        self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def open(self) -> None:
        """Connects: at once where the client waits to do so, anew where it stopped."""
        if isinstance(self._driver.state, Finished):
            self._driver.start()
        else:
            self._driver.hurry()

    async def close(self) -> None:
        """Ends the session. Calls without an answer fail, subscriptions end."""
        await self._driver.close()

    @property
    def state(self) -> State:
        """Where the connection stands."""
        return self._driver.state

    def on_state(self, listener: Callable[[State], None]) -> Callable[[], None]:
        """Tells each new state; the function that is returned ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def ready(self) -> Ready:
        """Waits until the session stands; raises a `ConnectError` where the client stopped."""
        while not isinstance(self.state, Ready):
            if isinstance(self.state, Finished):
                raise self.state.error or ConnectError("the client is closed")
            await self._turn(math.inf)
        return self.state

    async def call(
        self,
        request: Plain[R, typing.Any],
        *,
        timeout: float | None = None,
        key: str | None = None,
    ) -> R:
        """Asks. Raises a `CallError`, which is a `Rejected` for a typed error.

        What may be worked on twice is asked again, with the same key, when its session was lost,
        and what a server that stops refused is asked again of the next one. A task that is
        cancelled cancels the request.
        """
        name = self._schema.name_of(type(request))
        answer: R = await self.ask(name, request, timeout=timeout, key=key)
        return answer

    async def ask(
        self,
        name: str,
        payload: typing.Any,
        *,
        timeout: float | None = None,
        key: str | None = None,
    ) -> typing.Any:
        """The same by name: for requests that share the model of their payload."""
        facts = self._schema.facts(name)
        may_repeat = bool(facts.get("idempotent") or facts.get("dedup"))
        first = self._make(name, payload, timeout, key or (uuid7() if may_repeat else None))
        may_have_run = False
        while True:
            # An attempt has its own place in a session, and the one payload and deadline of all.
            reply = await self._asking.once(dataclasses.replace(first))
            is_lost = isinstance(reply, ev.Lost) and reply.outcome is Outcome.UNKNOWN
            if is_lost and may_repeat and not isinstance(self.state, Finished):
                may_have_run = True
            elif _is_draining(reply):
                await self._turn(first.deadline, is_welcome=True)
            else:
                break
        if may_have_run and isinstance(reply, ev.Faulted | ev.TimedOut | ev.Lost):
            # An attempt before this one may have been worked on.
            reply = dataclasses.replace(reply, outcome=Outcome.UNKNOWN)
        return self._asking.result(name, reply)

    def stream(
        self,
        request: Streaming[I, R, typing.Any],
        *,
        timeout: float | None = None,
        credit: int = _CREDIT,
    ) -> Stream[I, R]:
        """Asks a request that streams: use it in `async with`, and leaving early cancels it.

        `timeout` is for all of it, `credit` how many items may be on their way.
        """
        call = self._make(self._schema.name_of(type(request)), request, timeout)
        return Stream(self._asking, self._driver, self._schema, call, credit)

    async def upload(
        self,
        request: Uploading[P, R, typing.Any],
        parts: Iterable[P] | AsyncIterable[P],
        *,
        timeout: float | None = None,
    ) -> R:
        """Asks a request that takes an upload: sends each part when the server reads."""
        call = self._make(self._schema.name_of(type(request)), request, timeout)
        reply = await upload(self._asking, self._driver, self._schema, call, _each(parts))
        answer: R = self._asking.result(call.type, reply)
        return answer

    def subscribe(
        self, channel: Channel[E, S], since: Position | None = None
    ) -> Subscription[E, S]:
        """Listens to a channel. The subscription survives reconnects.

        What was missed comes again, and what cannot come is said by a `Gap`. Use it in
        `async with`, and leaving it leaves the channel.
        """
        ch = self._address(channel)
        if ch in self._subscriptions:
            raise ValueError(f"there is a subscription to {ch}")

        def consumed(off: int | None) -> None:
            if off is not None and self._subscriptions.get(ch) is it:
                self._driver.session.consumed(ch, off)
                self._driver.pump()

        def left() -> None:
            if self._subscriptions.get(ch) is it:
                del self._subscriptions[ch]
                self._driver.session.unsubscribe(ch)
                self._driver.pump()

        it: Subscription[E, S] = Subscription(
            ch, self._schema, self._options.window, consumed, left
        )
        if isinstance(self.state, Finished):
            it.end("lost", "the client is closed")
        elif self._driver.session.subscribe(ch, since):
            self._subscriptions[ch] = it
        else:
            it.end("overloaded", "too much waits to be sent")
        self._driver.pump()
        return it

    async def publish(
        self,
        channel: Publishable[P],
        event: P,
        *,
        name: str | None = None,
        timeout: float | None = None,
        key: str | None = None,
    ) -> Position | None:
        """Publishes; the position that the event got, on a channel that has positions."""
        kind = channel._ws_kind
        name = name or self._schema.event_of(kind, type(event))
        body = self._schema.write(self._schema.contract.CHANNELS[kind][name], event)
        deadline = self._asking.deadline(self._timeout(timeout))
        call = ev.Call(f"{kind}.{name}", body, deadline, self._address(channel), key)
        facts = self._schema.facts(call.type)
        call.since, call.removed = facts.get("since", 0), facts.get("removed", math.inf)
        reply = await self._asking.once(call)
        if not isinstance(reply, ev.Published):
            raise failure(call.type, reply)
        return reply.done.position

    def serve(
        self, request: type[Callback[R, Q, typing.Any]], handler: Callable[[Q], Awaitable[R]]
    ) -> None:
        """From now on the server's requests of this type are answered by `handler`.

        Raise a `Rejection` for the typed error. The task of a request that nobody waits for any
        more is cancelled.
        """
        self._answering.serve(self._schema.name_of(request), handler)

    def _make(
        self, name: str, payload: typing.Any, timeout: float | None, key: str | None = None
    ) -> ev.Call:
        return self._asking.make(name, payload, self._timeout(timeout), key)

    def _timeout(self, timeout: float | None) -> float:
        return self._options.timeout if timeout is None else timeout

    def _address(self, channel: typing.Any) -> str:
        fields = (getattr(channel, field.name) for field in dataclasses.fields(channel))
        return address(channel._ws_kind, *fields)

    def _on(self, event: ev.Event) -> None:
        match event:
            case ev.Answered() | ev.Item() | ev.Granted():
                self._asking.on(event)
            case ev.Asked(request):
                self._answering.on_request(request, self._driver)
            case ev.Stopped(request, _):
                self._answering.on_stop(request)
            case (
                ev.Welcome()
                | ev.Reject()
                | ev.Closed()
                | ev.AuthRequired()
                | ev.Renewed()
                | ev.NotRenewed()
            ):
                pass
            case _:
                self._about(event)

    def _about(self, event: ev.About) -> None:
        it = self._subscriptions.get(event.ch)
        if isinstance(event, ev.Dropped | ev.NotSubscribed):
            self._subscriptions.pop(event.ch, None)
        if it is not None and not it.take(event):
            text = "more events than the announced window"
            self._driver.session.close(4500, text, "session")

    def _on_state(self, state: State) -> None:
        if isinstance(state, Finished):
            self._asking.finish()
            subscriptions = list(self._subscriptions.values())
            self._subscriptions.clear()
            for it in subscriptions:
                it.end("lost", "the client stopped")
            self._answering.finish()
        for turn in self._turns:
            if not turn.done():
                turn.set_result(None)
        for listener in list(self._listeners):
            try:
                listener(state)
            except Exception as error:
                # A listener's mistake is its own: it must not stop the connection.
                loop = asyncio.get_running_loop()
                text = "a listener of the connection's state failed"
                loop.call_exception_handler({"message": text, "exception": error})

    async def _turn(self, deadline: float, *, is_welcome: bool = False) -> None:
        """Until the next state, or the next one that calls can be made in; or there is no time."""
        wait = None if deadline == math.inf else max(0, deadline - self._driver.now()) / 1000
        try:
            async with asyncio.timeout(wait):
                while True:
                    turn = asyncio.get_running_loop().create_future()
                    self._turns.add(turn)
                    try:
                        await turn
                    finally:
                        self._turns.discard(turn)
                    if not is_welcome or isinstance(self.state, Ready | Finished):
                        return
        except TimeoutError:
            pass


def error_of(
    failed: CallError,
    _: type[
        Plain[typing.Any, E]
        | Streaming[typing.Any, typing.Any, E]
        | Uploading[typing.Any, typing.Any, E]
    ],
) -> E | None:
    """The typed error of a call of this request; `None` where it failed otherwise."""
    error: E | None = failed.error
    return error


async def _each(parts: Iterable[P] | AsyncIterable[P]) -> AsyncIterator[P]:
    if isinstance(parts, AsyncIterable):
        async for part in parts:
            yield part
    else:
        for part in parts:
            yield part


def _is_draining(reply: ev.Reply) -> bool:
    """Refused by a server that stops, and not worked on."""
    if not isinstance(reply, ev.Faulted):
        return False
    return reply.fault.code == "draining" and reply.outcome is Outcome.NOT_PROCESSED
