"""What a session tells, in the words of docs/sessions/README.md; and frames as a server writes."""

from __future__ import annotations

import dataclasses

from recording import Frame
from short import ABSENT, Json, Short

from ws_proto import events as ev
from ws_proto.codec import Codec
from ws_proto.serving import Request
from ws_proto.wire import Done, Head, Outgoing


def short(event: ev.Event, calls: dict[str, ev.Call], requests: list[Request]) -> Short:
    """The line of an event. A request that is new gets the next number."""
    words, json = _words(event, calls, requests)
    return Short([str(word) for word in words], json)


def written(codec: Codec, frame: Frame) -> bytes:
    """A frame as the server writes it; `None` stands for a field that is absent."""
    fields = {name: value for name, value in frame.items() if name != "payload"}
    return codec.encode(Outgoing(Head(**fields), codec.payload(frame["payload"])))


def _words(
    event: ev.Event, calls: dict[str, ev.Call], requests: list[Request]
) -> tuple[list[object], Json]:
    def number(call: ev.Call) -> str:
        return next(n for n, it in calls.items() if it is call)

    match event:
        case ev.Welcome(welcome):
            return ["welcome", welcome["version"]], ABSENT
        case ev.Reject(reject):
            return ["rejected", reject["close"]], ABSENT
        case ev.Closed(by, code, _, retry):
            more = [f"retry={retry[0]}..{retry[1]}ms"] if retry else []
            return ["closed", by, code, *more], ABSENT
        case ev.AuthRequired():
            return ["auth_required"], ABSENT
        case ev.Renewed():
            return ["renewed"], ABSENT
        case ev.NotRenewed(fault):
            return ["not_renewed", fault.code], ABSENT
        case ev.Answered(call, reply):
            words, json = _reply(reply)
            return ["answered", number(call), *words], json
        case ev.Item(call, payload):
            return ["item", number(call)], payload
        case ev.Granted(call, n):
            return ["granted", number(call), n], ABSENT
        case ev.Asked(request):
            requests.append(request)
            return ["request", len(requests), request.type], request.payload
        case ev.Stopped(request, why):
            return ["stop", requests.index(request) + 1, why], ABSENT
        case _:
            return _about(event)


def _about(event: ev.About) -> tuple[list[object], Json]:
    match event:
        case ev.State(ch, payload):
            return ["snapshot", ch], payload
        case ev.Subscribed(ch, done):
            return ["subscribed", ch], _done(done)
        case ev.NotSubscribed(ch, fault):
            return ["not_subscribed", ch, fault.code], ABSENT
        case ev.Dropped(ch, fault):
            return ["ended", ch, fault.code], ABSENT
        case ev.Delivered(ch, type, payload, off):
            return ["delivered", ch, "-" if off is None else off, type], payload
        case ev.Missed(ch, hole):
            fields = dataclasses.asdict(hole)
            reason = fields.pop("reason")
            more = [f"{name}={value}" for name, value in fields.items() if value is not None]
            return ["gap", ch, reason, *more], ABSENT
        case ev.CaughtUp(ch, off):
            return ["live", ch, off], ABSENT
        case ev.Unsubscribed(ch):
            return ["unsubscribed", ch], ABSENT


def _reply(reply: ev.Reply) -> tuple[list[object], Json]:
    match reply:
        case ev.Ok(payload):
            return ["ok"], payload
        case ev.Err(payload):
            return ["err"], payload
        case ev.Published(done):
            return ["published"], _done(done)
        case ev.Faulted(fault, outcome):
            return ["fault", fault.code, outcome], ABSENT
        case ev.TimedOut(outcome):
            return ["timeout", outcome], ABSENT
        case ev.Lost(outcome):
            return ["lost", outcome], ABSENT
        case ev.Unsupported(version):
            return ["unsupported", version], ABSENT


def _done(done: Done) -> Json:
    fields = {} if done.position is None else dataclasses.asdict(done.position)
    more = {"recovered": done.recovered, "reason": done.reason}
    return fields | {name: value for name, value in more.items() if value is not None}
