"""Read by the checker alone: what stands behind `#!` has to be in what it says of that line."""

from __future__ import annotations

from typing import reveal_type

import chat_protocol as chat
import workshop as w

from ws_proto import CallError, Client, Event, Gap, Snapshot, error_of


async def infers(client: Client) -> None:
    """The types of answers, items, events and errors."""
    reveal_type(await client.call(chat.Join(room="x")))  #! "chat_protocol.Joined"
    reveal_type(await client.call(chat.Leave(room="x")))  #! "None"
    stream = client.stream(chat.History(room="x", limit=1))
    reveal_type(await anext(stream))  #! "chat_protocol.Message"
    reveal_type(await stream.reply())  #! "chat_protocol.HistoryEnd"
    reveal_type(await client.upload(w.Store(), ["a"]))  #! "int"
    async for item in client.subscribe(w.BenchChannel(name="x")):
        match item:
            case Event(payload=payload):
                reveal_type(payload)  #! "workshop.Moved"
            case Snapshot(state):
                reveal_type(state)  #! "workshop.Stock"
            case Gap() as gap:
                reveal_type(gap.dropped)  #! "int | None"
    try:
        await client.call(w.Saw(length=1))
    except CallError as failed:
        reveal_type(error_of(failed, w.Saw))  #! "Literal['blunt'] | Literal['busy'] | None"
    await client.publish(w.BenchChannel(name="x"), w.Moved(by=1))


async def refuses(client: Client) -> None:
    """Each line is a mistake."""
    rooms: chat.Rooms = await client.call(chat.Join(room="x"))  #! error
    await client.call(chat.Join(name="x"))  #! error
    await client.call(chat.History(room="x", limit=1))  #! error
    await client.call(w.Confirm(text="x"))  #! error
    await client.call(chat.Joined)  #! error
    client.stream(chat.Join(room="x"))  #! error
    await client.upload(w.Store(), [1, 2])  #! error
    await client.upload(w.Saw(length=1), ["a"])  #! error
    await client.publish(chat.RoomChannel(name="x"), chat.TypingEventKeys(who="x"))  #! error
    await client.publish(w.BenchChannel(name="x"), w.Stock(boards=1))  #! error
    client.subscribe("room/x")  #! error
    raise AssertionError(rooms)


async def says_yes(asked: w.Confirm) -> bool:
    """Serves a callback."""
    return asked.text == "yes"


async def says_no_word(asked: w.Confirm) -> str:
    """Answers with another type."""
    return asked.text


async def takes_another(asked: w.Saw) -> bool:
    """Takes another request."""
    return asked.length > 1


def serves(client: Client) -> None:
    """Only a function from the request to its answer serves it."""
    client.serve(w.Confirm, says_yes)
    client.serve(w.Confirm, says_no_word)  #! error
    client.serve(w.Confirm, takes_another)  #! error
    client.serve(w.Saw, takes_another)  #! error
    Client("ws://", chat)
    Client("ws://", w)
    Client("ws://", says_yes)  #! error
