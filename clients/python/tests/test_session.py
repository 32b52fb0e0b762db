"""The session on its own: bounds and corners that the transcripts do not show."""

from __future__ import annotations

import math
import typing

import pytest

from ws_proto import events as ev
from ws_proto.codec import Json
from ws_proto.session import Session
from ws_proto.wire import Envelope, Outcome, Outgoing

ID = "00000000-0000-7000-8000-{:012}"


class Ends:
    """A session, and frames of its server."""

    def __init__(
        self,
        versions: tuple[int, int] = (1, 1),
        serves: dict[str, ev.Served] | None = None,
        **limits: int,
    ) -> None:
        self.codec = Json()
        self.ids = 0
        self.seq = 0
        config = ev.Config("p", versions, self._id, self.codec, serves=serves or {})
        self.session = Session(config)
        self.session.at(0).connect()
        self.frames()
        rate = {"per_s": limits.get("per_s", 10**6), "burst": limits.get("burst", 10**6)}
        max_frame = limits.get("max_frame", 65_536)
        self.give("$welcome", self.welcome(rate, max_frame))
        self.frames()
        self.events()

    def _id(self) -> str:
        self.ids += 1
        return ID.format(self.ids)

    def welcome(
        self, rate: typing.Any = None, max_frame: int = 65_536, **session: typing.Any
    ) -> typing.Any:
        """The payload of a welcome."""
        limits = {"max_frame": max_frame, "max_in_flight": 64, "max_subs": 9, "window": 256}
        return {
            "version": 1,
            "session": {"id": "s", "ticket": "t", "ttl_ms": 9, "resumed": False} | session,
            "recv": 0,
            "heartbeat": {"interval_ms": 30_000, "timeout_ms": 10_000},
            "limits": limits | {"rate": rate or {"per_s": 10**6, "burst": 10**6}},
        }

    def give(self, type: str, payload: typing.Any, **head: typing.Any) -> None:
        """A frame of the server."""
        default: dict[str, typing.Any] = {"id": self._id(), "ts": 0, "size": 100}
        head = default | head
        self.session.receive(Envelope(type, **head, payload=payload))

    def say(self, type: str, payload: typing.Any, **head: typing.Any) -> None:
        """A frame with a place."""
        self.seq += 1
        self.give(type, payload, seq=self.seq, **head)

    def frames(self) -> list[Outgoing]:
        """All that leaves now."""
        found = []
        while (frame := self.session.transmit()) is not None:
            found.append(frame)
        return found

    def events(self) -> list[ev.Event]:
        """All that is told now."""
        found = []
        while (event := self.session.event()) is not None:
            found.append(event)
        return found

    def call(self, deadline: float = math.inf, body: bytes = b"{}") -> ev.Call:
        """A call that was taken."""
        call = ev.Call("ask", body, deadline)
        assert self.session.call(call)
        return call


def _closes_with(ends: Ends) -> int | None:
    closed = [event for event in ends.events() if isinstance(event, ev.Closed)]
    return closed[0].code if closed else None


def test_what_is_not_acknowledged_is_bounded_by_frames() -> None:
    ends = Ends()
    for _ in range(1024):
        ends.call()
    assert not ends.session.call(ev.Call("ask", b"{}"))
    sent = ends.frames()
    assert [frame.head.seq for frame in sent] == list(range(1, 1025))
    assert not ends.session.has_room()
    ends.give("$ack", {}, ack=1000)
    assert ends.session.has_room()


def test_what_is_not_acknowledged_is_bounded_by_bytes() -> None:
    ends = Ends()
    for _ in range(9):
        ends.call(body=b"x" * 30_000)
    assert not ends.session.has_room()
    ends.frames()
    ends.give("$ack", {}, ack=9)
    assert ends.session.has_room()


def test_past_the_bound_only_what_may_end_a_request_leaves() -> None:
    ends = Ends()
    calls = [ends.call() for _ in range(1024)]
    ends.frames()
    assert ends.session.subscribe("room") is False
    ends.session.credit(calls[0], 3)
    ends.session.credit(calls[0], 4)
    ends.session.cancel(calls[1])
    left = [(frame.head.type, frame.body) for frame in ends.frames()]
    # The credit that waited added up only before it left.
    assert left == [("$credit", b'{"n":7}'), ("$cancel", b"null")]


def test_a_server_that_never_acknowledges_is_closed_at_twice_the_bound() -> None:
    ends = Ends()
    calls = [ends.call() for _ in range(1024)]
    ends.frames()
    for n in range(1024):
        assert ends.session.is_open()
        ends.session.credit(calls[n], 1)
        ends.frames()
    ends.session.cancel(calls[0])
    ends.frames()
    assert _closes_with(ends) == 4003


def test_a_call_that_ran_out_of_time_in_the_queue_leaves_no_hole() -> None:
    ends = Ends(per_s=1, burst=4)
    first, second, third = ends.call(), ends.call(deadline=10), ends.call()
    sent = [frame.head for frame in ends.frames()]
    assert [head.id for head in sent] == [first.id, second.id]
    late, last = ends.call(deadline=100), ends.call()
    ends.session.at(100).timeout()
    told = ends.events()
    assert ev.Answered(second, ev.TimedOut(Outcome.UNKNOWN)) in told
    assert ev.Answered(late, ev.TimedOut(Outcome.NOT_SENT)) in told
    seqs = []
    for second_passed in range(1, 9):
        ends.session.at(100 + 1000 * second_passed).timeout()
        seqs += [(frame.head.seq, frame.head.id) for frame in ends.frames() if frame.head.seq]
    assert [seq for seq, _ in seqs] == [3, 4, 5]
    assert {third.id, last.id} < {id for _, id in seqs}


def test_the_ttl_that_leaves_is_what_is_left_of_it() -> None:
    ends = Ends()
    ends.call(deadline=5000)
    ends.session.at(1500)
    assert [frame.head.ttl for frame in ends.frames()] == [3500]


def test_pings_without_end_do_not_fill_the_memory() -> None:
    ends = Ends()
    for n in range(1100):
        ends.give("$ping", {"t": n})
    assert len(ends.frames()) <= 1026 + 1
    assert _closes_with(ends) == 4003


def test_messages_that_left_are_counted_against_the_rate() -> None:
    ends = Ends(per_s=10, burst=8)
    for _ in range(20):
        ends.call()
    # A quarter of the burst is kept, and the hello took one.
    assert len(ends.frames()) == 5
    ends.session.at(300).timeout()
    assert len(ends.frames()) == 3


def test_an_acknowledgement_rides_on_what_leaves() -> None:
    ends = Ends()
    call = ends.call()
    ends.frames()
    ends.say("ask.ok", {}, re=call.id, ack=1)
    assert ends.frames() == []
    assert ends.session.due() == 250
    ends.call()
    assert [frame.head.ack for frame in ends.frames()] == [1]
    assert ends.session.due() == 30_000


@pytest.mark.parametrize("count", [31, 32])
def test_after_32_frames_an_acknowledgement_leaves_at_once(count: int) -> None:
    ends = Ends()
    for _ in range(count):
        ends.say("$credit", {"n": 1}, re=ID.format(0))
    sent = [(frame.head.type, frame.head.ack) for frame in ends.frames()]
    assert sent == ([("$ack", 32)] if count == 32 else [])


@pytest.mark.parametrize(
    ("type", "payload", "head", "code"),
    [
        ("$hello", {}, {}, 4502),
        ("$reject", {}, {}, 4502),
        ("$sub", {}, {"seq": 1, "ch": "x"}, 4500),
        ("$auth", {}, {}, 4500),
        ("$ok", {}, {"seq": 1}, 4500),
        ("$ok", {}, {"re": ID.format(1)}, 4500),
        ("$live", None, {"ch": "x"}, 4500),
        ("$gap", {"reason": "slow"}, {}, 4500),
        ("ask.ok", {}, {"re": ID.format(1)}, 4500),
        ("ask", {}, {}, 4500),
        ("ask", {}, {"seq": 2}, 4006),
        ("$ack", {}, {"ack": 1}, 4006),
        ("$new", {}, {"seq": 2}, 4006),
        ("$new", {}, {}, None),
        ("$new", {}, {"seq": 1}, None),
        ("ask.ok", {}, {"seq": 1, "re": ID.format(1)}, None),
    ],
)
def test_what_the_server_may_not_send_closes(
    type: str, payload: object, head: dict[str, typing.Any], code: int | None
) -> None:
    ends = Ends()
    ends.give(type, payload, **head)
    ends.frames()
    assert _closes_with(ends) == code


def test_a_resumed_session_that_nobody_asked_for_closes() -> None:
    ends = Ends()
    ends.session.close(4100, "gone")
    ends.frames()
    ends.events()
    ends.session.connect()
    ends.give("$welcome", ends.welcome(resumed=True))
    ends.frames()
    assert _closes_with(ends) == 4500


def test_a_resume_that_lacks_what_was_dropped_closes() -> None:
    ends = Ends()
    ends.call()
    ends.frames()
    ends.give("$ack", {}, ack=1)
    ends.session.disconnected()
    ends.events()
    ends.session.connect()
    ends.give("$welcome", ends.welcome(resumed=True))
    ends.frames()
    assert _closes_with(ends) == 4006


def test_time_that_goes_back_is_not_believed() -> None:
    ends = Ends()
    ends.session.at(1000)
    assert ends.session.at(5).now == 1000


def test_a_resumed_session_in_another_version_closes() -> None:
    ends = Ends(versions=(1, 2))
    ends.session.disconnected()
    ends.events()
    ends.session.connect()
    ends.give("$welcome", ends.welcome(resumed=True) | {"version": 2})
    ends.frames()
    assert _closes_with(ends) == 4500


@pytest.mark.parametrize("version", [0, 2])
def test_a_version_that_was_not_offered_closes(version: int) -> None:
    ends = Ends()
    ends.session.disconnected()
    ends.events()
    ends.session.connect()
    ends.give("$welcome", ends.welcome() | {"version": version})
    ends.frames()
    assert _closes_with(ends) == 4500


def test_a_session_that_left_out_a_frame_is_not_resumed() -> None:
    ends = Ends()
    calls = [ends.call() for _ in range(1024)]
    ends.frames()
    for call in calls:
        ends.session.credit(call, 1)
        ends.frames()
    ends.session.cancel(calls[0])
    ends.frames()
    ends.events()
    ends.session.connect()
    assert b"resume" not in ends.frames()[0].body


def test_credit_after_the_end_of_an_upload_means_nothing() -> None:
    ends = Ends()
    call = ends.call()
    ends.session.end_parts(call)
    ends.say("$credit", {"n": 3}, re=call.id)
    assert ends.events() == []
    assert not ends.session.part(call, b"1")


def test_what_is_acknowledged_while_it_is_sent_again_is_not_passed_over() -> None:
    ends = Ends(per_s=1, burst=8)
    calls = [ends.call() for _ in range(4)]
    ends.session.at(9000)
    assert len(ends.frames()) == 4
    ends.session.disconnected()
    ends.events()
    ends.session.connect()
    ends.frames()
    ends.give("$welcome", ends.welcome({"per_s": 1, "burst": 4}, resumed=True))
    again = [frame.head.id for frame in ends.frames()]
    ends.give("$ack", {}, ack=1)
    ends.session.at(60_000)
    again += [frame.head.id for frame in ends.frames()]
    assert again == [call.id for call in calls]


def test_refused_credentials_are_asked_for_again_when_the_server_says() -> None:
    ends = Ends()
    assert ends.session.auth("token")
    auth = ends.frames()[-1].head.id
    fault = {"code": "rate_limited", "message": "later", "retry": "after", "after_ms": 9000}
    ends.say("$err", fault, re=auth)
    assert isinstance(ends.events()[0], ev.NotRenewed)
    ends.session.at(8999).timeout()
    assert ends.events() == []
    ends.session.at(9000).timeout()
    assert ends.events() == [ev.AuthRequired()]


def test_a_machine_that_slept_asks_once_more_before_it_gives_up() -> None:
    ends = Ends()
    ends.session.at(30_000).timeout()
    assert [it.head.type for it in ends.frames()] == ["$ping"]
    ends.session.at(100_000).timeout()
    assert [it.head.type for it in ends.frames()] == ["$ping"]
    ends.session.at(102_999).timeout()
    assert ends.session.is_open()
    ends.session.at(103_000).timeout()
    ends.frames()
    assert _closes_with(ends) == 4002


def test_a_call_that_waits_for_long_does_not_keep_those_that_ended() -> None:
    ends = Ends()
    ends.call(deadline=1000)
    for _ in range(5000):
        ended = ends.call(deadline=2000)
        ends.session.cancel(ended)
        ends.events()
    assert len(ends.session._calls._deadlines) < 100
    assert ends.session.due() == 1000
