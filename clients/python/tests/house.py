"""The real server of the chat, and a proxy that cuts."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import typing
from pathlib import Path

import chat_protocol
from script import HASTE

from ws_proto import Client, Options

ROOT = Path(__file__).parents[3]


class ChatServer:
    """`cargo run -p chat`, or the program that `CHAT` names. Use it in `async with`."""

    def __init__(self, port: int = 0) -> None:
        self.port = port

    async def __aenter__(self) -> typing.Self:
        listen = ["--listen", f"127.0.0.1:{self.port}"]
        named = os.environ.get("CHAT")
        cargo = ["cargo", "run", "--quiet", "--package", "chat", "--"]
        self._process = await asyncio.create_subprocess_exec(
            *([named] if named else cargo), *listen, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            found = re.search(rb"http://127\.0\.0\.1:(\d+)/", line)
            if found:
                self.port = int(found[1])
                return self
        raise AssertionError("the chat did not start")

    async def __aexit__(self, *_: object) -> None:
        await self.stop(signal.SIGKILL)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self.port}/ws"

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stops it: by `SIGTERM` it drains."""
        if self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.communicate()


class Scissors:
    """A proxy that loses each connection after some bytes, until it is told to be calm."""

    def __init__(self, port: int, seed: int) -> None:
        self.cuts = 0
        self.is_calm = False
        self._port = port
        # The same cuts for the same seed.
        self._random = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> typing.Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ws"

    async def _carry(self, reader: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
        try:
            up_reader, up = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return down.transport.abort()
        both = {down, up}
        self._open |= both
        left = [400 + self._random.randrange(6000)]
        ways = [self._one_way(reader, up, left), self._one_way(up_reader, down, left)]
        tasks = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(tasks, return_when="FIRST_COMPLETED")
        for task in tasks:
            task.cancel()
        for writer in both:
            writer.transport.abort()
        self._open -= both

    async def _one_way(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, left: list[int]
    ) -> None:
        try:
            while data := await reader.read(65_536):
                passes = len(data) if self.is_calm else min(left[0], len(data))
                left[0] -= passes
                to.write(data[:passes])
                await to.drain()
                if left[0] <= 0 and not self.is_calm:
                    self.cuts += 1
                    return
        except OSError:
            pass


def guest(url: str, name: str, **options: typing.Any) -> Client:
    """Somebody in the chat."""
    default: dict[str, typing.Any] = {"token": name, "socket": {"proxy": None}, "backoff": HASTE}
    return Client(url, chat_protocol, Options(**(default | options)))
