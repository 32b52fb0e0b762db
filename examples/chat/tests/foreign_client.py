"""A client of the chat in Python, written from docs/protocol.md alone; "section" means one of it.

    foreign_client.py ws://127.0.0.1:9000/ws json|msgpack ROOM

It goes once through what a client does, and prints one line per step. It exits with 0, or with 1
and a sentence where something is not as the page says. Somebody else must have spoken in ROOM 5
times and must speak 8 times more when they hear us. There are no tasks: while the client waits for
one thing, it takes in whatever comes.
"""

import asyncio
import json
import sys
import time
import uuid
from collections import deque

import msgpack
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

NAME, BEFORE, REPLIES, WINDOW = "python", 5, 8, 4
NO_PLACE = {"$hello", "$welcome", "$reject", "$ping", "$pong", "$ack", "$close", "$live", "$gap"}


class Surprise(Exception):
    """A sentence, and the code to close with (section 10)."""


class Json:
    """Section 2. A frame is a dict of the envelope's fields; an `id` is what the format writes."""

    subprotocol, message = "wsp1.json", str
    new_id = lambda: str(uuid.uuid4())
    decode = json.loads

    def encode(frame):
        return json.dumps(frame, separators=(",", ":"))


class MessagePack:
    subprotocol, message = "wsp1.msgpack", bytes
    new_id = lambda: uuid.uuid4().bytes

    def encode(frame):
        header = dict(frame)
        type, id, ts, payload = (header.pop(name) for name in ("type", "id", "ts", "payload"))
        return msgpack.packb([type, id, ts, header or None, payload])

    def decode(message):
        type, id, ts, header, payload = msgpack.unpackb(message)
        return {"type": type, "id": id, "ts": ts, **(header or {}), "payload": payload}


class Client:
    def __init__(self, socket, format):
        self.socket, self.format = socket, format
        self.sent = self.received = self.acknowledged = 0  # the session streams (section 6)
        self.answers = {}  # by the `id` of an open request: what came for it and waits to be used
        self.events, self.controls = deque(), deque()  # what else came and waits to be used
        self.at = {}  # by channel: the last position that we have; None once we left it
        self.consumed = {}  # by channel: the position that we have yet to acknowledge
        self.owed, self.due = 0, None  # how much there is to acknowledge, and when

    async def send(self, type, payload, **header):
        """Sends a frame, and with it what there is to acknowledge. Returns the `id`."""
        frame = {"type": type, "id": self.format.new_id(), "ts": int(time.time() * 1000), **header}
        if type not in NO_PLACE:
            self.sent += 1
            frame["seq"] = self.sent
        if self.received > self.acknowledged:
            frame["ack"] = self.acknowledged = self.received
        await self.socket.send(self.format.encode(frame | {"payload": payload}))
        return frame["id"]

    async def ask(self, type, payload, **header):
        """Sends what will be answered: a request, a `$sub`, an `$unsub` (section 7)."""
        id = await self.send(type, payload, **header)
        self.answers[id] = deque()
        return id

    async def answer(self, id, type):
        """The next item of a request, or its one terminal answer: of this type, or else."""
        frame = await self.next(self.answers[id])
        if not frame["type"].endswith(".item"):
            del self.answers[id]
        expect(frame["type"] == type, f"{type} was expected, not {frame}")
        return frame["payload"]

    async def call(self, type, payload, answer, **header):
        return await self.answer(await self.ask(type, payload, **header), answer)

    async def control(self, type):
        """The payload of the next `$ping`, `$pong` or `$live`."""
        while (frame := await self.next(self.controls))["type"] != type:
            pass
        return frame["payload"]

    async def leave(self, code, reason):
        """`$close` is the last envelope; the WebSocket's own close follows (section 10)."""
        await self.send("$close", {"code": code, "reason": reason})
        await self.socket.close(code)
        expect(self.socket.close_code == code, f"the server closed with {self.socket.close_code}")

    async def event(self):
        """The next event. To use it is to consume it: its position is acknowledged (section 8)."""
        frame = await self.next(self.events)
        self.consumed[frame["ch"]] = frame["off"]
        await self.owe()
        return frame

    async def next(self, queue):
        while not queue:
            try:
                async with asyncio.timeout_at(self.due):
                    message = await self.socket.recv()
            except TimeoutError:
                await self.acknowledge()
                continue
            expect(isinstance(message, self.format.message), "a message of another format", 4504)
            await self.take_in(self.format.decode(message))
        return queue.popleft()

    async def take_in(self, frame):
        type, payload, is_control = frame["type"], frame["payload"], frame["type"].startswith("$")
        is_event = not is_control and "re" not in frame
        if not is_event and type not in NO_PLACE and not await self.is_in_turn(frame):
            return
        if type == "$ping":
            await self.send("$pong", {"t": payload["t"], "now": int(time.time() * 1000)})
        if type in ("$ping", "$pong", "$live"):
            self.controls.append(frame)
        elif type in ("$reject", "$close", "$unsubbed"):
            raise Surprise(f"{type} came: {payload}", 1000)
        elif type == "$gap":
            expect(payload["reason"] == "version", f"events will never come: {payload}")
            self.at[frame["ch"]] = payload["until"]
        elif is_event:
            self.take_in_event(frame, frame["ch"])
        elif frame.get("re") in self.answers:
            if type == "$ok":  # the events behind it may come in the same moment
                self.at[frame["ch"]] = payload.get("off")
            self.answers[frame["re"]].append(frame)
        # Everything else is unknown and ignored (section 5).

    async def is_in_turn(self, frame):
        """Whether a frame of the server's session stream is new (section 6)."""
        seq = frame.get("seq")
        expect(seq or "re" not in frame, f"an answer without seq: {frame}")
        if seq:
            expect(seq <= self.received + 1, f"seq {seq} came after {self.received}", 4006)
            is_new = seq > self.received
            self.received, self.acknowledged = max(seq, self.received), min(seq - 1, self.acknowledged)
            await self.owe()
            return is_new
        return True

    def take_in_event(self, frame, channel):
        """The positions of a channel are a chain (section 8)."""
        at = self.at.get(channel, None)
        expect(at is not None or channel not in self.at, f"{channel} goes on behind the barrier")
        if at is not None and frame["off"] > at:
            expect(frame["prev"] == at, f"{channel}: {frame['prev']} is missing after {at}")
            self.at[channel] = frame["off"]
            self.events.append(frame)

    async def owe(self):
        """Section 6 and 8 say at most 250 ms, 32 frames and 16 events; one count does for both."""
        self.owed += 1
        self.due = self.due or asyncio.get_running_loop().time() + 0.25
        if self.owed >= 16:
            await self.acknowledge()

    async def acknowledge(self):
        if self.consumed or self.received > self.acknowledged:
            await self.send("$ack", {"ch": self.consumed} if self.consumed else {})
        self.consumed, self.owed, self.due = {}, 0, None


def expect(is_so, sentence, code=4500):
    if not is_so:
        raise Surprise(sentence, code)


async def hello(client):
    """Nothing else may be sent before the welcome (section 4)."""
    auth, limits = {"token": NAME}, {"max_frame": 65536, "window": WINDOW}
    payload = {"protocol": "chat", "version": [1, 1], "auth": auth, "limits": limits}
    await client.send("$hello", payload)
    async with asyncio.timeout(5):
        frame = client.format.decode(await client.socket.recv())
    expect(frame["type"] == "$welcome", f"no welcome: {frame}")
    expect(frame["payload"]["version"] == 1, "the server chose a version that we do not speak")


async def listen(client, room, channel):
    """Joins, and replays all that the log of the room keeps (section 8)."""
    joined = await client.call("join", {"room": room}, "join.ok")
    since = {"epoch": joined["epoch"], "off": 0}
    ok = await client.call("$sub", {"since": since}, "$ok", ch=channel)
    expect(ok["recovered"], f"the log does not go back to its beginning: {ok}")
    old = [(await client.event())["type"] for _ in range(BEFORE + 2)]
    expect(old[1:] == ["room.said"] * BEFORE + ["room.entered"], f"the replay was {old}")
    expect(await client.control("$live") is None, "$live says something")
    expect(client.at[channel] == joined["off"], "the replay ended at another place")


async def talk(client, room, text):
    """Says something, and hears it and the replies: more of them than the window is wide."""
    post = await client.ask("post", {"room": room, "text": text}, key=str(uuid.uuid4()))
    own = (await client.event())["payload"]
    expect((own["by"], own["text"]) == (NAME, text), f"our own words were expected, not {own}")
    posted = await client.answer(post, "post.ok")
    expect(posted["number"] == own["number"], f"{posted} is not the number of {own}")
    for _ in range(REPLIES):
        reply = (await client.event())["payload"]
        expect(reply["by"] != NAME, f"somebody else was expected, not {reply}")


async def history(client, room):
    """Without credit no item comes (section 7): an answer that is sent later overtakes it."""
    messages, limit = [], BEFORE + 1 + REPLIES
    id = await client.ask("history", {"room": room, "limit": limit})
    for credit in [2, 1] + [1] * (limit - 3):
        await client.send("$credit", {"n": credit}, re=id)
        messages += [await client.answer(id, "history.item") for _ in range(credit)]
        await client.call("list_rooms", {}, "list_rooms.ok")
        expect(not client.answers[id], "an item came without credit")
    end = await client.answer(id, "history.ok")
    expect(end["older"] == 0, f"there is more history: {end}")
    numbers = [message["number"] for message in messages]
    expect(numbers == sorted(set(numbers)), f"the history is out of order: {numbers}")


async def scenario(client, room, say):
    channel = f"room/{room}"
    await hello(client)
    say("the server welcomes us")
    expect(await client.call("join", {"room": ""}, "join.err") == "bad_name", "another error")
    fault = await client.call("dance", {}, "$err")
    expect((fault["code"], fault["retry"]) == ("unimplemented", "never"), f"{fault}")
    say("a typed error and a fault are answers; the connection goes on")
    await listen(client, room, channel)
    say("the room lets us in, and its log is replayed")
    await talk(client, room, "knock")
    say("our own words come back, and somebody else answers")
    await history(client, room)
    say("the history comes, and never more than was asked for")
    await client.send("$ping", {"t": 7})
    pong = await client.control("$pong")
    expect(pong["t"] == 7, f"another pong: {pong}")
    for _ in range(2):  # the second comes only if the first was answered
        await client.control("$ping")
    say("both sides ask for life, and answer")
    await client.call("$unsub", None, "$ok", ch=channel)
    await client.call("post", {"room": room, "text": "bye"}, "post.ok")
    await client.call("list_rooms", {}, "list_rooms.ok")
    say("nothing of the room comes behind the barrier")
    await client.leave(1000, "bye")
    say("we leave, and the server agrees")


async def main(url, name, room):
    format = {"json": Json, "msgpack": MessagePack}[name]
    options = {"subprotocols": [format.subprotocol], "compression": None, "ping_interval": None}
    async with asyncio.timeout(60), connect(url, **options) as socket:
        expect(socket.subprotocol == format.subprotocol, "the server does not speak the format")
        client = Client(socket, format)
        try:
            await scenario(client, room, lambda step: print(f"{name}: {step}", flush=True))
        except Surprise as surprise:
            sentence, code = surprise.args
            await client.leave(code, sentence[:100])
            sys.exit(f"{name}: {sentence}")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (ConnectionClosed, LookupError, OSError, TypeError, ValueError) as error:
        sys.exit(f"{sys.argv[2:3]}: {type(error).__name__}: {error}")
