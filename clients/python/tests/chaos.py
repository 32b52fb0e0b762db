"""Two clients of the chat behind a proxy that cuts, until so many reconnects.

    python clients/python/tests/chaos.py --reconnects 1000

Fails on a loss, a duplicate, a disorder or a call without an outcome.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
import time
import typing

import chat_protocol as chat
from house import ChatServer, Scissors, guest

from ws_proto import Client, Event, Gap, Position, Ready, State

_BATCH = 8
_HISTORY = 32
_ROOM = "storm"


@dataclasses.dataclass
class Counts:
    """What happened."""

    reconnects: int = 0
    cuts: int = 0
    posted: int = 0
    answered: int = 0
    streamed: int = 0
    heard: int = 0
    lost: int = 0
    duplicates: int = 0
    disorder: int = 0
    gaps: int = 0
    unresolved: int = 0

    def is_good(self) -> bool:
        """Whether nothing went wrong."""
        wrong = (self.lost, self.duplicates, self.disorder, self.gaps, self.unresolved)
        return not any(wrong)


async def storm(reconnects: int, seed: int, format: str) -> Counts:
    """Runs it once."""
    counts = Counts()
    async with (
        ChatServer() as server,
        Scissors(server.port, seed) as scissors,
        guest(scissors.url, "speaker", format=format, timeout=120) as speaker,
        guest(scissors.url, "listener", format=format, timeout=120) as listener,
    ):
        welcomes = [0]

        def told(state: State) -> None:
            welcomes[0] += isinstance(state, Ready)

        speaker.on_state(told)
        listener.on_state(told)
        heard: list[str] = []
        news = asyncio.Event()
        await speaker.call(chat.Join(room=_ROOM))
        joined = await listener.call(chat.Join(room=_ROOM))
        since = Position(joined.epoch, joined.off)
        listening = asyncio.create_task(_listen(listener, since, heard, news, counts))
        numbers: list[int] = []
        # The first two welcomes are no reconnects.
        while welcomes[0] < reconnects + 2:
            await _batch(speaker, counts, numbers)
            # The log keeps 256 events: whoever is further behind is told of a gap.
            while len(heard) < counts.posted and not listening.done():
                news.clear()
                await news.wait()
            await _history(listener, heard, counts)
        counts.reconnects = welcomes[0] - 2
        scissors.is_calm = True
        await speaker.call(chat.Post(room=_ROOM, text="end"))
        await listening
        counts.cuts = scissors.cuts
        counts.unresolved += len(speaker._asking._open) + len(listener._asking._open)
    expected = [str(n) for n in range(counts.posted)]
    counts.heard = len(heard)
    counts.lost = len(set(expected) - set(heard)) + counts.posted - len(set(numbers))
    counts.duplicates = len(heard) - len(set(heard))
    counts.disorder += (heard != expected) + (numbers != sorted(numbers))
    return counts


async def _listen(
    client: Client, since: Position, heard: list[str], news: asyncio.Event, counts: Counts
) -> None:
    async with client.subscribe(chat.RoomChannel(name=_ROOM), since) as events:
        async for item in events:
            match item:
                case Event(payload=chat.Message(text="end")):
                    return
                case Event(payload=chat.Message(text=text)):
                    heard.append(text)
                    news.set()
                case Gap():
                    counts.gaps += 1


async def _batch(client: Client, counts: Counts, numbers: list[int]) -> None:
    texts = [str(counts.posted + n) for n in range(_BATCH)]
    counts.posted += _BATCH
    posts = [client.call(chat.Post(room=_ROOM, text=text)) for text in texts]
    for answer in await asyncio.gather(*posts):
        numbers.append(answer.number)
        counts.answered += 1


async def _history(client: Client, heard: list[str], counts: Counts) -> None:
    """What a stream gives is the end of what was heard."""
    async with client.stream(chat.History(room=_ROOM, limit=_HISTORY), credit=4) as stream:
        texts = [message.text async for message in stream]
        await stream.reply()
    counts.streamed += len(texts)
    counts.disorder += texts != heard[-_HISTORY:]


def main() -> int:
    """Prints the counts; 1 where something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reconnects", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--format", choices=["json", "msgpack"], default="json")
    arguments: typing.Any = parser.parse_args()
    began = time.monotonic()
    counts = asyncio.run(storm(arguments.reconnects, arguments.seed, arguments.format))
    print(f"seed {arguments.seed}, {arguments.format}, {time.monotonic() - began:.0f} s")
    for name, value in dataclasses.asdict(counts).items():
        print(f"{name:>12} {value}")
    return 0 if counts.is_good() else 1


if __name__ == "__main__":
    sys.exit(main())
