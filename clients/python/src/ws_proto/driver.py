"""The loop that feeds a session from a socket, and finds another socket when one is lost."""

from __future__ import annotations

import asyncio
import collections.abc
import dataclasses
import inspect
import math
import time
import typing

from .codec import Codec
from .errors import ConnectError
from .events import AuthRequired, Closed, Config, Event, Reject, Served, Welcome
from .session import Session
from .socket import Backoff, Clock, Over, Retry, Socket, sleep, uuid7
from .wire import Json, advice

_ATTEMPT = 10.0
_STUCK_MS = 10_000
"""How long the socket may take nothing."""
_LAST_WORDS_MS = 1000
_LARGEST = 16_777_216
"""Bytes of a message of the server, whatever it announces."""
_HEARTBEAT_MISSED = 4002

Token = str | collections.abc.Callable[[], str | collections.abc.Awaitable[str]] | None


@dataclasses.dataclass(frozen=True)
class Connecting:
    """An attempt is under way: the first, or the n-th in a row."""

    attempt: int


@dataclasses.dataclass(frozen=True)
class Ready:
    """The session stands, in this version of the protocol."""

    version: int


@dataclasses.dataclass(frozen=True)
class Waiting:
    """The next attempt follows by itself, after this many seconds."""

    delay: float
    reason: str


@dataclasses.dataclass(frozen=True)
class Finished:
    """The client connects no more by itself; without an error it was closed."""

    error: ConnectError | None = None


State = Connecting | Ready | Waiting | Finished


@dataclasses.dataclass(frozen=True, kw_only=True)
class DriverOptions:
    """How to connect. Times are seconds."""

    token: Token = None
    """The credentials. A function is asked before every attempt, and before they expire."""
    name: str = "ws-proto-client"
    version: str = "0.1.0"
    """What the client is, for the server's logs."""
    backoff: Backoff = dataclasses.field(default_factory=Backoff)
    max_frame: int = 65_536
    """Bytes of the largest answer that this client takes."""
    window: int = 256
    """Unacknowledged events of one subscription."""
    socket: typing.Mapping[str, typing.Any] = dataclasses.field(default_factory=dict)
    """More for `websockets.connect`: `ssl`, `additional_headers`, `proxy`."""


class Driver:
    """One session after another, each over as many connections as it takes."""

    def __init__(
        self,
        url: str,
        options: DriverOptions,
        codec: Codec,
        config: tuple[str, tuple[int, int], typing.Mapping[str, Served]],
        on: tuple[typing.Callable[[Event], None], typing.Callable[[State], None]],
    ) -> None:
        self.state: State = Finished()
        self._url = url
        self._options = options
        self._codec = codec
        self._on, self._on_state = on
        self._clock = Clock()
        protocol, versions, serves = config
        wall = int(time.time() * 1000) - self._clock.now()
        sizes = (options.max_frame, options.window)
        self._config = Config(protocol, versions, uuid7, codec, wall, serves, *sizes)
        self._session = Session(self._config)
        self._largest = options.max_frame
        self._failed = 0
        self._is_leaving = False
        self._reject: Json | None = None
        self._attempt = 0
        self._sooner = asyncio.Event()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = math.inf
        self._writing_since: int | None = None
        self._closed: asyncio.Future[Closed] | None = None
        self._is_pumping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._main: asyncio.Task[None] | None = None

    @property
    def session(self) -> Session:
        """The session, at the present time: call `pump` after its input."""
        return self._session.at(self._clock.now())

    def now(self) -> int:
        """The session's clock, in milliseconds."""
        return self._clock.now()

    def start(self) -> None:
        """A new session and its first attempt."""
        self._session = Session(self._config)
        self._failed = 0
        self._is_leaving = False
        self._set_state(Connecting(1))
        self._main = asyncio.get_running_loop().create_task(self._run(), name="ws-proto")

    def hurry(self) -> None:
        """There is a reason to hope: tries at once, or asks whether the server lives."""
        self._sooner.set()
        self.session.probe()
        self.pump()

    async def close(self) -> None:
        """The end: the session is over, and nothing follows. Waits for the goodbye, at most 3 s."""
        self._is_leaving = True
        self.session.close(1000, "the client is done")
        self.pump()
        main, self._main = self._main, None
        is_inside = main is asyncio.current_task()
        if main is not None and not is_inside:
            if not self._session.is_connected() and self._closed is None:
                main.cancel()
            await asyncio.wait([main], timeout=3)
            main.cancel()
        # Where there was no session to close, there is no event that says so.
        self._stop()
        others = [it for it in self._tasks if it is not asyncio.current_task()]
        if others:
            await asyncio.wait(others, timeout=3)

    def pump(self) -> None:
        """Does what can be done: call it after every input of the session."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while (event := self._session.event()) is not None:
                self._take(event)
        finally:
            self._is_pumping = False
        self._wake.set()
        self._schedule()

    # The connection.

    async def _run(self) -> None:
        while not isinstance(self.state, Finished):
            window, after, reason = None, 0.0, "no connection in time"
            try:
                closed = await self._connection()
            except Retry as failed:
                after, reason = failed.after, str(failed)
            except TimeoutError:
                pass
            except ConnectError as error:
                return self._stop(error)
            else:
                reason = f"{closed.code}: {closed.reason}"
                window = closed.retry
                if closed.by == "application" or self._is_leaving:
                    return self._stop()
                if advice(closed.code) == "stop":
                    return self._stop(ConnectError(reason, closed.code, self._reject))
            self._failed += 1
            if self._failed > self._options.backoff.attempts:
                return self._stop(ConnectError(f"gave up: {reason}"))
            delay = after + self._options.backoff.delay(self._failed - 1, window)
            self._sooner.clear()
            self._set_state(Waiting(delay, reason))
            await sleep(delay, self._sooner)
            self._set_state(Connecting(self._failed + 1))

    async def _connection(self) -> Closed:
        """One attempt, and what became of its connection."""
        self._attempt += 1
        self._reject = None
        options = self._options
        async with asyncio.timeout(_ATTEMPT):
            try:
                token = await self._token()
            except Exception as error:
                raise Retry(f"no credentials: {error!r}") from error
            socket = await Socket.open(self._url, self._codec, self._largest, options.socket)
        client = {"name": options.name, "version": options.version}
        auth = None if token is None else {"token": token}
        began = self.now()
        # It is the session that tells of the end, whoever ended the connection.
        self._closed = asyncio.get_running_loop().create_future()
        self._writing_since = None
        self.session.connect(client=client, auth=auth)
        reader = self._spawn(self._read(socket))
        writer = self._spawn(self._write(socket))
        self.pump()
        try:
            closed = await self._closed
        except asyncio.CancelledError:
            socket.abort()
            raise
        finally:
            self._closed = None
            reader.cancel()
            writer.cancel()
        if self.now() - began >= options.backoff.reset * 1000:
            self._failed = 0
        if closed.by == "network" or closed.code == _HEARTBEAT_MISSED:
            socket.abort()
        else:
            self._spawn(socket.close(closed.code, closed.reason))
        return closed

    async def _read(self, socket: Socket) -> None:
        try:
            while True:
                data = await socket.receive()
                session = self.session
                if isinstance(data, str) != self._codec.is_text:
                    session.close(4504, "a message of the other kind", "session")
                else:
                    session.receive(self._codec.decode(data))
                self.pump()
                # The welcome may have said more.
                socket.allow(self._largest)
        except Over as over:
            if over.is_too_large:
                self.session.close(4503, "a message larger than was announced", "session")
            self.session.disconnected(over.code, str(over))
            self.pump()

    async def _write(self, socket: Socket) -> None:
        is_text = self._codec.is_text
        try:
            while True:
                frame = self.session.transmit()
                if frame is None:
                    # The end is told when the last words are out.
                    self.pump()
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                self._writing_since = self.now()
                await socket.send(self._codec.encode(frame), is_text=is_text)
                self._writing_since = None
        except Over:
            # The reader says what happened, after the messages before it.
            pass
        finally:
            self._writing_since = None

    def _take(self, event: Event) -> None:
        match event:
            case Welcome(welcome):
                # An event can be as large as the server's own bound.
                theirs = min(welcome["limits"]["max_frame"], _LARGEST)
                self._largest = max(self._largest, theirs)
                self._set_state(Ready(welcome["version"]))
            case Reject(reject):
                self._reject = reject
            case AuthRequired():
                self._spawn(self._renew())
            case _:
                pass
        self._on(event)
        if isinstance(event, Closed) and self._closed is not None and not self._closed.done():
            self._closed.set_result(event)

    async def _token(self) -> str | None:
        token = self._options.token
        if not callable(token):
            return token
        given = token()
        return await given if inspect.isawaitable(given) else given

    async def _renew(self) -> None:
        """Asks for other credentials; without a function to ask, those that there are expire."""
        if not callable(self._options.token):
            return
        attempt, given = self._attempt, None
        try:
            given = await self._token()
        except Exception:
            # Those before still count: it is asked again later.
            given = None
        # Asked over a connection that is over: the next hello brings its own.
        if attempt == self._attempt:
            self.session.auth(given)
            self.pump()

    # Time.

    def _schedule(self) -> None:
        if isinstance(self.state, Finished):
            return
        due = self._session.due()
        if self._writing_since is not None:
            due = min(due, self._writing_since + self._patience())
        if due >= self._timer_due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        wait = max(0, due - self.now()) / 1000
        self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._timer_due = math.inf
        session = self.session
        since = self._writing_since
        if since is not None and session.now - since >= self._patience():
            session.close(4003, "nothing was read for too long", "session")
            session.disconnected()
        session.timeout()
        self.pump()

    def _patience(self) -> int:
        return _STUCK_MS if self._session.is_connected() else _LAST_WORDS_MS

    def _stop(self, error: ConnectError | None = None) -> None:
        if isinstance(self.state, Finished):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_due = None, math.inf
        self._attempt += 1
        self._set_state(Finished(error))

    def _set_state(self, state: State) -> None:
        if state != self.state or isinstance(state, Ready):
            self.state = state
            self._on_state(state)

    def _spawn(self, coroutine: collections.abc.Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
