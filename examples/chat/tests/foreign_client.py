"""A user of the chat in Python, over the client in wsp_client.py.

    foreign_client.py ws://127.0.0.1:9000/ws json|msgpack ROOM

It goes once through what a client does and prints one line per step. It exits with 0, or with 1 and
a sentence where something is not as the page says. Somebody else must have spoken in ROOM 5 times,
and must speak 8 times more when they hear us.
"""

import asyncio
import sys
from contextlib import suppress
from urllib.parse import quote

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from wsp_client import Client, Surprise, expect

NAME, BEFORE, REPLIES, WINDOW = "python", 5, 8, 4


async def listen(client, room, channel):
    """Joins, and replays all that the log of the room keeps, past the window (section 8)."""
    joined = await client.call("join", {"room": room}, "join.ok")
    since = {"epoch": joined["epoch"], "off": 0}
    ok = await client.call("$sub", {"since": since}, "$ok", ch=channel)
    expect(ok["recovered"], f"the log does not go back to its beginning: {ok}")
    old = [(await client.event())["type"] for _ in range(BEFORE + 2)]
    expect(old == ["room.entered", *["room.said"] * BEFORE, "room.entered"], f"{old} is all")
    await client.control("$live")
    expect(client.at[channel] == joined["off"], "the replay ended at another place")


async def talk(client, room):
    """Says something, and hears it and the replies: more of them than the window is wide."""
    posted = await client.call("post", {"room": room, "text": "knock"}, "post.ok", key="knock-1")
    heard = [(await client.event())["payload"] for _ in range(1 + REPLIES)]
    expect(heard[0]["by"] == NAME and heard[0]["number"] == posted["number"], f"heard {heard[0]}")
    expect(all(reply["by"] != NAME for reply in heard[1:]), f"not said by somebody else: {heard}")


async def history(client, room, limit):
    """An item comes for each credit and no other, though a later request is answered."""
    id = await client.send("history", {"room": room, "limit": limit})
    numbers = []
    for credit in [2] + [1] * (limit - 2):
        await client.send("$credit", {"n": credit}, re=id)
        items = [await client.answer(id, "history.item") for _ in range(credit)]
        numbers += [item["number"] for item in items]
        await client.call("list_rooms", {}, "list_rooms.ok")
        expect(all(frame["type"] != "history.item" for frame in client.inbox), "an item too many")
    expect(numbers == sorted(set(numbers)), f"the history is out of order: {numbers}")
    expect((await client.answer(id, "history.ok"))["older"] == 0, "there is more history")


async def scenario(client, room, say):
    auth, limits = {"token": NAME}, {"max_frame": 65536, "window": WINDOW}
    hello = {"protocol": "chat", "version": [1, 1], "auth": auth, "limits": limits}
    await client.send("$hello", hello)
    async with asyncio.timeout(5):  # nothing else may be sent before the welcome (section 4)
        welcome = await client.control("$welcome")
    expect(welcome["version"] == 1, "the server chose a version that we do not speak")
    say("the server welcomes us")

    error = await client.call("join", {"room": ""}, "join.err")
    expect(error == "bad_name", f"another error: {error}", 1000)
    fault = await client.call("dance", {}, "$err")
    expect((fault["code"], fault["retry"]) == ("unimplemented", "never"), f"{fault}", 1000)
    say("a typed error and a fault are answers; the connection goes on")

    channel = "room/" + quote(room, safe="")  # which makes the one spelling of section 3
    await listen(client, room, channel)
    say("the room lets us in, and its log is replayed")
    await talk(client, room)
    say("our own words come back, and somebody else answers")
    await history(client, room, BEFORE + 1 + REPLIES)
    say("the history comes, as much as was asked for at a time")

    await client.send("$ping", {"t": 7})
    expect((await client.control("$pong"))["t"] == 7, "another pong")
    for _ in range(2):  # the second comes only if the first was answered (section 9)
        await client.control("$ping")
    say("both sides ask for life, and answer")

    await client.call("$unsub", None, "$ok", ch=channel)
    await client.call("post", {"room": room, "text": "bye"}, "post.ok")
    await client.call("list_rooms", {}, "list_rooms.ok")
    say("nothing of the room comes behind the barrier")


async def main(url, name, room):
    format, binary = f"wsp1.{name}", name == "msgpack"
    options = {"subprotocols": [format], "compression": None, "ping_interval": None}
    async with asyncio.timeout(60), connect(url, **options) as socket:
        expect(socket.subprotocol == format, "the server does not speak the format")
        client, code, sentence = Client(socket, binary), 1000, "bye"
        try:
            await scenario(client, room, lambda step: print(f"{name}: {step}"))
        except Surprise as surprise:
            sentence, code = surprise.args
        # `$close` is the last envelope; the WebSocket's own close follows (section 10).
        with suppress(WebSocketException):  # a server that rejects or closes us is gone already
            await client.send("$close", {"code": code, "reason": sentence})
        await socket.close(code)
        expect(sentence == "bye", sentence)
        expect(socket.close_code == 1000, f"the server closed with {socket.close_code}")
        print(f"{name}: we leave, and the server agrees")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (Surprise, WebSocketException, LookupError, OSError, TypeError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {str(error) or 'no answer in time'}")
