"""A whole client of the protocol in Python, written from docs/protocol.md alone.

"Section" means one of that page. There are no tasks: while the client waits for one thing, it takes
in whatever comes.
"""

import asyncio
import json
import time
import uuid

import msgpack

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
