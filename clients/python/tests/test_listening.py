"""Subscriptions in the session on their own: corners that the transcripts do not show."""

from __future__ import annotations

import json

from test_session import Ends

from ws_proto import events as ev
from ws_proto.wire import Done, Position


def stands(ends: Ends, ch: str, off: int = 0) -> str:
    """A subscription that was answered; its `$sub`."""
    assert ends.session.subscribe(ch)
    sub = ends.frames()[-1].head.id
    ends.say("$ok", {"epoch": "e", "off": off}, re=sub, ch=ch)
    ends.events()
    return sub


def test_what_was_left_with_its_session_is_not_left_again() -> None:
    ends = Ends(per_s=1, burst=4)
    stands(ends, "room")
    ends.call()
    ends.frames()
    ends.session.unsubscribe("room")
    assert ends.frames() == []
    ends.session.disconnected()
    ends.events()
    ends.session.connect()
    ends.frames()
    ends.give("$welcome", ends.welcome())
    assert ev.Unsubscribed("room") in ends.events()
    assert ends.frames() == []


def test_a_channel_that_is_asked_for_anew_is_so_from_the_new_position() -> None:
    ends = Ends()
    stands(ends, "room", 4)
    ends.session.unsubscribe("room")
    unsub = ends.frames()[-1].head.id
    assert ends.session.subscribe("room", Position("e", 2))
    assert not ends.session.subscribe("room", Position("e", 3))
    ends.say("$ok", {}, re=unsub, ch="room")
    payload = json.loads(ends.frames()[-1].body)
    assert payload == {"since": {"epoch": "e", "off": 2}}


def test_a_channel_that_is_asked_for_anew_and_left_again_is_left() -> None:
    ends = Ends()
    stands(ends, "room")
    ends.session.unsubscribe("room")
    unsub = ends.frames()[-1].head.id
    ends.session.subscribe("room")
    ends.session.unsubscribe("room")
    ends.say("$ok", {}, re=unsub, ch="room")
    assert ends.frames() == []
    assert not ends.session.unsubscribe("room")


def test_an_acknowledgement_of_many_channels_keeps_below_the_largest_message() -> None:
    ends = Ends(max_frame=1024)
    channels = [f"room/{n:040}" for n in range(12)]
    for ch in channels:
        stands(ends, ch)
        ends.give("room.said", {}, ch=ch, off=1, prev=0)
        ends.session.consumed(ch, 1)
    ends.session.at(250).timeout()
    acks = [frame for frame in ends.frames() if frame.head.type == "$ack"]
    assert len(acks) == 4
    assert all(len(frame.body) + 512 <= 1024 for frame in acks)
    said: dict[str, int] = {}
    for frame in acks:
        said |= json.loads(frame.body)["ch"]
    assert said == dict.fromkeys(channels, 1)


def test_a_position_of_an_earlier_history_is_not_acknowledged() -> None:
    ends = Ends()
    stands(ends, "room", 4)
    ends.session.consumed("room", 9)
    ends.session.at(1000).timeout()
    assert [frame for frame in ends.frames() if b"room" in frame.body] == []


def test_a_snapshot_of_a_subscription_that_ended_is_ignored() -> None:
    ends = Ends()
    first = stands(ends, "room", 4)
    ends.say("room.snapshot", 1, re="0" * 8 + first[8:-1] + "f", ch="room", off=9)
    assert ends.events() == []
    ends.say("room.snapshot", 2, re=first, ch="room", off=9)
    state, _ = ends.events()
    assert state == ev.State("room", 2)


def test_a_snapshot_that_is_refused_is_not_given_with_the_next_subscription() -> None:
    ends = Ends()
    ends.session.subscribe("room")
    sub = ends.frames()[-1].head.id
    ends.say("room.snapshot", 1, re=sub, ch="room", off=9)
    ends.session.disconnected()
    ends.events()
    ends.session.connect()
    ends.frames()
    ends.give("$welcome", ends.welcome())
    ends.events()
    ends.seq = 0
    sub = ends.frames()[-1].head.id
    ends.say("$ok", {}, re=sub, ch="room")
    assert ends.events() == [ev.Subscribed("room", Done())]


def test_a_position_that_comes_again_is_acknowledged_again() -> None:
    ends = Ends()
    stands(ends, "room")
    ends.give("room.said", {}, ch="room", off=1, prev=0)
    ends.session.consumed("room", 1)
    ends.session.at(250).timeout()
    assert any(b"room" in frame.body for frame in ends.frames())
    ends.give("room.said", {}, ch="room", off=1, prev=0)
    ends.session.at(500).timeout()
    # The word of it was lost with a connection, or the event would not come again.
    assert any(b"room" in frame.body for frame in ends.frames())
