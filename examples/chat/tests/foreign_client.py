"""A client of the chat in Python. It was written from docs/protocol.md alone; "section" means one of that page.

    foreign_client.py ws://127.0.0.1:9000/ws json|msgpack ROOM

It goes once through everything that a client does: one line per step, exit code 0. On a surprise it says
one sentence and exits with 1. Somebody else must have spoken in ROOM before, at least 3 times, and must
answer 8 times when they hear us. It is one loop without tasks: while it waits for something, it takes in
whatever comes.
"""

import asyncio
import json
import sys
import time
import uuid
from collections import deque

import msgpack
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

NAME = "python"
WITHOUT_SEQ = {"$hello", "$welcome", "$reject", "$ping", "$pong", "$ack", "$close", "$live", "$gap"}


class Surprise(Exception):
    """Something that the page does not allow, and the code to close with (section 10)."""

    def __init__(self, sentence, code=4500):
        super().__init__(sentence)
        self.code = code


class Json:
    """Section 2. In this program a frame is a dict, and `id` and `re` are `uuid.UUID`."""

    subprotocol, message = "wsp1.json", str

    def encode(frame):
        return json.dumps(frame, separators=(",", ":"), default=str)

    def decode(text):
        frame = json.loads(text)
        return frame | {name: uuid.UUID(frame[name]) for name in ("id", "re") if name in frame}


class MessagePack:
    """Section 2: an array of `type`, `id`, `ts`, the other fields, `payload`."""

    subprotocol, message = "wsp1.msgpack", bytes

    def encode(frame):
        first = [frame["type"], frame["id"].bytes, frame["ts"]]
        header = {name: frame[name] for name in frame.keys() - {"type", "id", "ts", "payload"}}
        header |= {"re": header["re"].bytes} if "re" in header else {}
        return msgpack.packb([*first, header or None, frame["payload"]])

    def decode(data):
        kind, id, ts, header, payload = msgpack.unpackb(data)
        frame = {"type": kind, "id": uuid.UUID(bytes=id), "ts": ts, "payload": payload} | (header or {})
        return frame | ({"re": uuid.UUID(bytes=header["re"])} if "re" in frame else {})


class Client:
    def __init__(self, socket, format):
        self.socket, self.format = socket, format
        self.sent = self.received = self.acknowledged = 0  # places in the session streams (section 6)
        self.answers = {}  # by the `id` of the request: what came for it and was not used yet
        self.subscribing = {}  # by the `id` of a `$sub` or an `$unsub`: the channel
        self.at = {}  # by channel: the last position that we have; None once we left
        self.events, self.control = deque(), deque()  # what came and was not used yet
        self.consumed, self.unsaid = {}, 0  # positions that we must acknowledge, and how many events
        self.acknowledge_at = None  # when, by the loop's clock

    async def send(self, type, payload, **header):
        """Sends one frame and returns its `id`. The frame takes what we have to acknowledge with it."""
        frame = {"type": type, "id": uuid.uuid4(), "ts": int(time.time() * 1000), **header}
        if type not in WITHOUT_SEQ:
            self.sent += 1
            frame["seq"] = self.sent
        if self.received > self.acknowledged:
            frame["ack"] = self.acknowledged = self.received
        await self.socket.send(self.format.encode(frame | {"payload": payload}))
        return frame["id"]

    async def ask(self, type, payload, **header):
        """Sends a request, a `$sub` or an `$unsub`, whose answers are kept from now on."""
        id = await self.send(type, payload, **header)
        self.answers[id] = deque()
        if type in ("$sub", "$unsub"):
            self.subscribing[id] = header["ch"]
        return id

    async def answer(self, id):
        """The next item of the request, or its one terminal answer (section 7)."""
        frame = await self.first(self.answers[id])
        if not frame["type"].endswith(".item"):
            del self.answers[id]
        return frame

    async def call(self, type, payload, **header):
        return await self.answer(await self.ask(type, payload, **header))

    async def event(self):
        """The next event. Using it is consuming it: its position can be acknowledged (section 8)."""
        frame = await self.first(self.events)
        self.consumed[frame["ch"]] = frame["off"]
        self.unsaid += 1
        self.acknowledge_soon()
        return frame

    async def first(self, queue):
        while not queue:
            await self.take_in(await self.read())
        return queue.popleft()

    async def read(self):
        """The next frame, or None when it is time to acknowledge."""
        if self.received - self.acknowledged >= 32 or self.unsaid >= 16:
            return None
        try:
            async with asyncio.timeout_at(self.acknowledge_at):
                message = await self.socket.recv()
        except TimeoutError:
            return None
        if not isinstance(message, self.format.message):
            raise Surprise("the server sent a message of the other format", 4504)
        return self.format.decode(message)

    async def take_in(self, frame):
        if frame is None:
            return await self.acknowledge()
        kind, payload, re = frame["type"], frame["payload"], frame.get("re")
        if not self.is_in_turn(frame):
            return self.acknowledge_soon()
        if kind == "$ping":
            await self.send("$pong", {"t": payload["t"], "now": int(time.time() * 1000)})
        if kind in ("$ping", "$pong", "$live"):
            self.control.append(frame)
        elif kind in ("$close", "$unsubbed") or (kind == "$gap" and payload["reason"] != "version"):
            raise Surprise(f"the server sent {kind}: {payload}", 1000)
        elif kind == "$gap":
            self.at[frame["ch"]] = payload["until"]
        elif re in self.answers:
            if kind == "$ok":  # the events that follow it in the same moment count from here
                self.at[self.subscribing.pop(re)] = payload.get("off")
            self.answers[re].append(frame)
        elif "ch" in frame and not kind.startswith("$"):
            self.take_in_event(frame)
        # Everything else is unknown, and ignored (section 5).

    def is_in_turn(self, frame):
        """Whether the frame is new: the rules of the session stream (section 6)."""
        is_event = "re" not in frame and not frame["type"].startswith("$")
        if is_event or frame["type"] in WITHOUT_SEQ:
            return True
        if "seq" not in frame:
            return "re" not in frame
        if frame["seq"] > self.received + 1:
            raise Surprise(f"{frame['type']} has seq {frame['seq']} after {self.received}", 4006)
        if frame["seq"] <= self.received:
            self.acknowledged = frame["seq"] - 1  # say it again
            return False
        self.received = frame["seq"]
        self.acknowledge_soon()
        return True

    def take_in_event(self, frame):
        """The chain of positions of one channel (section 8)."""
        at, off = self.at.get(frame["ch"]), frame["off"]
        if frame["ch"] in self.at and at is None:
            raise Surprise(f"an event of {frame['ch']} came after we had left it")
        if at is None or off <= at:
            return
        if frame["prev"] != at:
            raise Surprise(f"events of {frame['ch']} between {at} and {frame['prev']} are missing")
        self.at[frame["ch"]] = off
        self.events.append(frame)

    def acknowledge_soon(self):
        self.acknowledge_at = self.acknowledge_at or asyncio.get_running_loop().time() + 0.25

    async def acknowledge(self):
        """Says what was received and what was consumed, where a frame did not take it along."""
        if self.consumed or self.received > self.acknowledged:
            await self.send("$ack", {"ch": self.consumed} if self.consumed else {})
        self.consumed, self.unsaid, self.acknowledge_at = {}, 0, None
