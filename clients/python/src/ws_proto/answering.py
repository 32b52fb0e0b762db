"""What serves the requests of the server (docs/protocol.md, section 7)."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Awaitable, Callable

from .contract import Schema
from .driver import Driver
from .errors import PayloadError, Rejection
from .events import Served
from .serving import Answer, Request
from .wire import Fault

Handler = Callable[[typing.Any], Awaitable[typing.Any]]
_UNWANTED = Answer("fault", fault=Fault("cancelled", "no longer wanted", "unknown"))


class Answering:
    """A task for each request of the server."""

    def __init__(self, schema: Schema) -> None:
        self.serves: dict[str, Served] = {}
        self._schema = schema
        self._handlers: dict[str, Handler] = {}
        self._running: dict[Request, asyncio.Task[Answer]] = {}

    def serve(self, name: str, handler: Handler) -> None:
        """From now on requests with this name are answered by this function."""
        self._handlers[name] = handler
        self.serves[name] = self._schema.served(name)

    def on_request(self, request: Request, driver: Driver) -> None:
        """A request starts."""
        # The answer belongs to this session, and to none that follows.
        session = driver.session

        def done(task: asyncio.Task[Answer]) -> None:
            del self._running[request]
            # Also where the task was cancelled before its first step.
            answer = _UNWANTED if task.cancelled() else task.result()
            session.at(driver.now()).answer(request, answer)
            driver.pump()

        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._running[request] = task
        task.add_done_callback(done)

    def on_stop(self, request: Request) -> None:
        """Nobody waits for the answer any more."""
        task = self._running.get(request)
        if task is not None:
            task.cancel()

    def finish(self) -> None:
        """The client stopped."""
        for request in list(self._running):
            self.on_stop(request)

    async def _answer(self, request: Request) -> Answer:
        model, reply, error, *_ = self._schema.contract.CALLBACKS[request.type]
        try:
            asked = self._schema.read(model, request.type, request.payload)
        except PayloadError as wrong:
            return Answer("fault", fault=Fault("invalid", str(wrong), "never"))
        try:
            body = self._schema.write(reply, await self._handlers[request.type](asked))
            return Answer("ok", body)
        except Rejection as rejection:
            return Answer("err", self._schema.write(error, rejection.error))
        except Exception as failed:
            # The application hears of its own mistake; the server only that there was one.
            loop = asyncio.get_running_loop()
            text = f"the handler of `{request.type}` failed"
            loop.call_exception_handler({"message": text, "exception": failed})
            return Answer("fault", fault=Fault("internal", "the handler failed", "unknown"))
