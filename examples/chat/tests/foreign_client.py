"""A client of the chat in Python, written from docs/protocol.md alone; "section" means one of it.

    foreign_client.py ws://127.0.0.1:9000/ws json|msgpack ROOM

It goes once through what a client does and prints one line per step. It exits with 0, or with 1 and
a sentence where something is not as the page says. Somebody else must have spoken in ROOM 5 times,
and must speak 8 times more when they hear us. There are no tasks: while the client waits for one
thing, it takes in whatever comes.
"""

import asyncio
import json
import sys
import time
import uuid
from contextlib import suppress
from urllib.parse import quote

import msgpack
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

NAME, BEFORE, REPLIES, WINDOW = "python", 5, 8, 4
NO_PLACE = {"$hello", "$welcome", "$reject", "$ping", "$pong", "$ack", "$close", "$live", "$gap"}


class Surprise(Exception):
    """A sentence, and the code to close with (section 10)."""

    def __str__(self):
        return self.args[0]


def expect(is_so, sentence, code=4500):
    if not is_so:
        raise Surprise(sentence, code)


def now_ms():
    return int(time.time() * 1000)


def encode(frame, binary):
    """Section 2. A frame is a dict; an `id` is text in JSON and bytes in MessagePack, here too."""
    if not binary:
        return json.dumps(frame)
    first = [frame.pop("type"), frame.pop("id"), frame.pop("ts")]
    payload = frame.pop("payload")
    return msgpack.packb([*first, frame or None, payload])


def decode(message, binary):
    expect(isinstance(message, bytes) == binary, "a message of the other format came", 4504)
    if not binary:
        return json.loads(message)
    type, id, ts, header, payload = msgpack.unpackb(message)
    return {"type": type, "id": id, "ts": ts, "payload": payload, **(header or {})}


class Client:
    def __init__(self, socket, binary):
        self.socket, self.binary = socket, binary
        self.sent = self.received = self.acknowledged = 0  # places in the streams (section 6)
        self.inbox = []  # what came and waits to be taken
        self.at = {}  # by channel: the last position that we have; None once we have left it
        self.consumed = {}  # by channel: the position that we have yet to acknowledge
        self.owed, self.due = 0, None  # how much there is to acknowledge, and when

    async def send(self, type, payload, **header):
        """Sends a frame, and with it what there is to acknowledge. Returns its `id`."""
        id = uuid.uuid4().bytes if self.binary else str(uuid.uuid4())
        frame = {"type": type, "id": id, "ts": now_ms(), "payload": payload, **header}
        if type not in NO_PLACE:
            self.sent += 1
            frame["seq"] = self.sent
        if self.received > self.acknowledged:
            frame["ack"] = self.acknowledged = self.received
        await self.socket.send(encode(frame, self.binary))
        return id

    async def take(self, wanted):
        """The first frame that is wanted, whatever comes before it."""
        while not (found := next(filter(wanted, self.inbox), None)):
            await self.read()
        self.inbox.remove(found)
        return found

    async def control(self, type):
        return (await self.take(lambda frame: frame["type"] == type))["payload"]

    async def event(self):
        """The next event. To take it is to consume it: its position is acknowledged (section 8)."""
        frame = await self.take(lambda frame: "prev" in frame)
        self.consumed[frame["ch"]] = frame["off"]
        await self.owe()
        return frame

    async def answer(self, id, type):
        """An item of a request, or its one terminal answer (section 7)."""
        frame = await self.take(lambda frame: frame.get("re") == id)
        expect(frame["type"] == type, f"{type} was expected, not {frame}", 1000)
        return frame["payload"]

    async def call(self, type, payload, answer, **header):
        return await self.answer(await self.send(type, payload, **header), answer)

    async def read(self):
        try:
            async with asyncio.timeout_at(self.due):
                message = await self.socket.recv()
        except TimeoutError:
            return await self.acknowledge()
        frame = decode(message, self.binary)
        type, payload, channel = frame["type"], frame["payload"], frame.get("ch")
        is_event = "re" not in frame and not type.startswith("$")
        if "seq" in frame and not is_event and type not in NO_PLACE:
            expect(frame["seq"] <= self.received + 1, f"a frame before {frame} is missing", 4006)
            if frame["seq"] > self.received:
                self.received = frame["seq"]
                await self.owe()
            else:
                self.acknowledged = 0  # a duplicate: ignore it, and acknowledge again
                return await self.owe()
        if type == "$ping":
            await self.send("$pong", {"t": payload["t"], "now": now_ms()})
        elif type == "$ok":  # the events behind it go on from here
            self.at[channel] = payload.get("off")
        elif type == "$gap" and payload["reason"] == "version":
            self.at[channel] = payload["until"]
        expect(type not in ("$reject", "$close", "$unsubbed"), f"{type} came: {payload}", 1000)
        expect(type != "$gap" or payload["reason"] == "version", f"a gap: {payload}", 1000)
        if not is_event or self.is_next(frame):
            self.inbox.append(frame)  # control frames that we do not know stay there (section 5)

    def is_next(self, event):
        """The positions of a channel are a chain (section 8)."""
        at, channel = self.at.get(event["ch"]), event["ch"]
        expect(at is not None or channel not in self.at, f"{channel} goes on behind the barrier")
        if at is None or event["off"] <= at:
            return False
        expect(event["prev"] == at, f"events of {channel} are missing after {at}")
        self.at[channel] = event["off"]
        return True

    async def owe(self):
        """At most 250 ms, 32 frames and 16 events (sections 6 and 8): one count does for both."""
        self.owed += 1
        self.due = self.due or asyncio.get_running_loop().time() + 0.25
        if self.owed >= 16:
            await self.acknowledge()

    async def acknowledge(self):
        if self.consumed or self.received > self.acknowledged:
            await self.send("$ack", {"ch": self.consumed} if self.consumed else {})
        self.consumed, self.owed, self.due = {}, 0, None


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
