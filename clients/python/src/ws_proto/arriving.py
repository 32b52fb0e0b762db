"""Which frames may arrive when, and which have a place (docs/protocol.md, sections 4 and 6)."""

from __future__ import annotations

from .wire import Envelope

_PLACED = frozenset({"$cancel", "$credit", "$end", "$ok", "$err", "$unsubbed"})
"""Frames of the session stream that the server sends, besides messages."""
_UNPLACED = frozenset(
    "$welcome $reject $ping $pong $ack $close $live $gap $auth_ok $auth_required".split()
)
"""Frames without a place, whatever they carry."""
_NEEDS_CH = frozenset({"$unsubbed", "$live", "$gap"})
_NEEDS_RE = frozenset({"$cancel", "$credit", "$end", "$ok", "$err", "$auth_ok"})
_NOT_OURS = frozenset({"$sub", "$unsub", "$auth"})
_GREETINGS = frozenset({"$welcome", "$reject"})


def untimely(type: str, is_open: bool) -> int | None:
    """The code to close with, where a frame of this type may not arrive now, or never."""
    if not is_open and type not in _GREETINGS and type != "$close":
        return 4501
    if is_open and (type in _GREETINGS or type == "$hello"):
        return 4502
    return 4500 if type in _NOT_OURS else None


def is_placed(it: Envelope) -> bool:
    """Whether a frame belongs to the session stream."""
    if it.type[0] != "$":
        return not it.ch or bool(it.re)
    return it.type in _PLACED or (it.seq is not None and it.type not in _UNPLACED)


def lacks(it: Envelope) -> bool:
    """Whether a header field that the type needs is missing."""
    if it.type == "$live" and it.off is None:
        return True
    return (it.type in _NEEDS_CH and not it.ch) or (it.type in _NEEDS_RE and not it.re)
