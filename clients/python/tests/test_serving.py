"""What the server asks, in the session on its own: bounds and doubles."""

from __future__ import annotations

import json

import pytest
from test_session import ID, Ends

from ws_proto import events as ev
from ws_proto.serving import Answer, Request


def asked(ends: Ends) -> list[Request]:
    """The requests that started."""
    return [event.request for event in ends.events() if isinstance(event, ev.Asked)]


def faults(ends: Ends) -> list[tuple[str, str]]:
    """The codes and retries of the faults that leave."""
    payloads = [json.loads(it.body) for it in ends.frames() if it.head.type == "$err"]
    return [(it["code"], it["retry"]) for it in payloads]


@pytest.fixture
def ends() -> Ends:
    """A session that serves `confirm`."""
    return Ends(serves={"confirm": ev.Served()})


def test_64_start_256_wait_and_more_are_refused(ends: Ends) -> None:
    for _ in range(64 + 256 + 3):
        ends.say("confirm", {})
    assert len(asked(ends)) == 64
    assert faults(ends) == [("overloaded", "safe")] * 3


def test_requests_that_wait_are_bounded_by_bytes(ends: Ends) -> None:
    for _ in range(5):
        ends.say("confirm", {}, size=1_000_000)
    assert len(asked(ends)) == 4
    assert faults(ends) == [("overloaded", "safe")]


def test_an_id_that_is_being_worked_on_is_refused(ends: Ends) -> None:
    ends.say("confirm", {}, id=ID.format(9**9))
    ends.say("confirm", {}, id=ID.format(9**9))
    assert len(asked(ends)) == 1
    assert faults(ends) == [("invalid", "never")]


def test_an_answer_makes_place_for_the_next(ends: Ends) -> None:
    for _ in range(65):
        ends.say("confirm", {})
    first, *_ = asked(ends)
    ends.session.answer(first, Answer("ok", b"true"))
    assert [it.head.type for it in ends.frames()][-1] == "confirm.ok"
    assert len(asked(ends)) == 1
    # There is one answer: a second one goes nowhere.
    ends.session.answer(first, Answer("ok", b"true"))
    assert ends.frames() == []


def test_nothing_starts_while_answers_cannot_leave(ends: Ends) -> None:
    for _ in range(1024):
        ends.call()
    ends.frames()
    ends.say("confirm", {})
    assert asked(ends) == []
    ends.give("$ack", {}, ack=1024)
    assert len(asked(ends)) == 1


def test_an_answer_larger_than_the_server_takes_is_a_fault(ends: Ends) -> None:
    ends.say("confirm", {})
    (request,) = asked(ends)
    ends.session.answer(request, Answer("ok", b"x" * 65_536))
    assert faults(ends) == [("too_large", "unknown")]


def test_an_answer_to_a_session_that_is_over_is_not_sent(ends: Ends) -> None:
    ends.say("confirm", {})
    (request,) = asked(ends)
    ends.session.disconnected()
    ends.events()
    ends.session.connect()
    ends.frames()
    ends.give("$welcome", ends.welcome())
    assert ev.Stopped(request, "cancelled") in ends.events()
    ends.session.answer(request, Answer("ok", b"true"))
    assert ends.frames() == []
