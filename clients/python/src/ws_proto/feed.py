"""A queue between the client and an `async for`. Whoever fills it bounds it."""

from __future__ import annotations

import asyncio
import collections
import typing

T = typing.TypeVar("T")


class Feed(typing.Generic[T]):
    """An item counts as consumed when the next one is asked for.

    Use it in `async with`, so that leaving the loop early says so.
    """

    def __init__(self, consumed: typing.Callable[[int | None], None]) -> None:
        # An item in a tuple, or only a position that counts when all before it was consumed.
        self._entries: collections.deque[tuple[tuple[T] | None, int | None]] = collections.deque()
        self._consumed = consumed
        self._taken: tuple[int | None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_over = False
        self._error: Exception | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __aiter__(self) -> typing.Self:
        return self

    async def __anext__(self) -> T:
        if self._waiter is not None:
            raise RuntimeError("this is being read already")
        if self._taken is not None:
            (off,) = self._taken
            self._taken = None
            self._consumed(off)
        while True:
            while self._entries:
                item, off = self._entries.popleft()
                if item is not None:
                    self._taken = (off,)
                    return item[0]
                self._consumed(off)
            if self._is_over:
                error, self._error = self._error, None
                raise error or StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def __aenter__(self) -> typing.Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops reading: what waits is dropped."""
        is_early = not self._is_over
        self._entries.clear()
        self._taken = self._error = None
        self._is_over = True
        self._wake()
        if is_early:
            self._left()

    def _left(self) -> None:
        """The reader went away before the end."""

    def _push(self, item: T, off: int | None = None) -> None:
        if not self._is_over:
            self._entries.append(((item,), off))
            self._wake()

    def _push_position(self, off: int | None) -> None:
        if not self._is_over:
            self._entries.append((None, off))
            self._wake()

    def _replace_oldest(self, replaced: typing.Callable[[T | None], T]) -> None:
        """Puts something in the place of the oldest two."""
        oldest, off = self._entries.popleft()
        self._entries.popleft()
        self._entries.appendleft(((replaced(oldest and oldest[0]),), off))

    def _finish(self, error: Exception | None = None) -> None:
        """Nothing follows what was pushed."""
        if not self._is_over:
            self._is_over = True
            self._error = error
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
