"""A chat in a terminal.

    cargo run -p chat                        # the server
    python clients/python/examples/chat.py ann lobby

Every line that is typed is said in the room; an empty one, or the end of the input, leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import typing

import chat_protocol as chat

from ws_proto import (
    CallError,
    Client,
    Ended,
    Event,
    Gap,
    Options,
    Position,
    Rejected,
    State,
    Waiting,
    error_of,
)


async def talk(url: str, name: str, room: str) -> None:
    """Joins the room, shows what happens in it, and says what is typed."""
    async with Client(url, chat, Options(token=name, name="chat.py")) as client:
        client.on_state(show_state)
        joined = await client.call(chat.Join(room=room))
        print(f"* in {room}: {', '.join(joined.members)}")
        await show_history(client, room)
        # From the place that the answer names nothing is missed.
        since = Position(joined.epoch, joined.off)
        shown = asyncio.create_task(show_events(client, room, since))
        async for line in typed():
            if not line:
                break
            await say(client, room, line)
        shown.cancel()
        await client.call(chat.Leave(room=room))


async def show_history(client: Client, room: str) -> None:
    """The last messages, one by one as they come."""
    async with client.stream(chat.History(room=room, limit=20)) as messages:
        async for message in messages:
            print(f"  {message.by}: {message.text}")
        older = (await messages.reply()).older
        if older:
            print(f"* {older} older ones")


async def show_events(client: Client, room: str, since: Position) -> None:
    """What happens in the room, over all reconnects."""
    async with client.subscribe(chat.RoomChannel(name=room), since) as events:
        async for item in events:
            match item:
                case Event(payload=chat.Message() as message):
                    print(f"  {message.by}: {message.text}")
                case Event(payload=chat.RoomEventEntered(who=who)):
                    print(f"* {who} came in")
                case Event(payload=chat.RoomEventLeft(who=who)):
                    print(f"* {who} left")
                case Event(payload=chat.RoomEventTopicSet(by=by, topic=topic)):
                    print(f"* {by} says that this is about: {topic}")
                case Gap():
                    print("* something was missed here")
                case Ended(reason=reason):
                    print(f"* the room is over: {reason}")


async def say(client: Client, room: str, text: str) -> None:
    """Says something; who may not is told why."""
    try:
        await client.call(chat.Post(room=room, text=text), timeout=10)
    except Rejected as rejected:
        reason = error_of(rejected, chat.Post)
        print("* that is too long" if reason == "too_long" else f"* not said: {reason}")
    except CallError as failed:
        print(f"* {failed} ({failed.outcome})")


def show_state(state: State) -> None:
    """Says when the connection is away."""
    if isinstance(state, Waiting):
        print(f"* away: {state.reason}; again in {state.delay:.1f} s")


async def typed() -> typing.AsyncIterator[str]:
    """The lines of the input."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line.strip()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("room", nargs="?", default="lobby")
    parser.add_argument("--url", default="ws://127.0.0.1:9000/ws")
    arguments = parser.parse_args()
    asyncio.run(talk(arguments.url, arguments.name, arguments.room))


if __name__ == "__main__":
    main()
