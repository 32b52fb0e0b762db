"""The fields that the payloads of control frames must have (docs/protocol.md, 4 to 11)."""

from __future__ import annotations

import typing

from .wire import LARGEST

_Field = tuple[str, tuple[str, ...], bool]


def has_shape(type: str, payload: typing.Any) -> bool:
    """Whether a control frame has its fields. One that is not listed has none that matter."""
    return all(_has(payload, field) for field in _SHAPES.get(type, ()))


def _has(payload: typing.Any, field: _Field) -> bool:
    letter, path, may_miss = field
    value = payload
    for name in path:
        if not isinstance(value, dict):
            return False
        if name not in value:
            return may_miss
        value = value[name]
    if letter == "n":
        return type(value) is int and 0 <= value <= LARGEST
    if letter == "s":
        return type(value) is str
    if letter == "w":
        return type(value) is list and len(value) == 2 and all(type(it) is int for it in value)
    return type(value) is bool


def _fields(text: str) -> tuple[_Field, ...]:
    """A letter for the type, the path, and `?` where it may be absent."""
    return tuple(
        (word[0], tuple(word[1:].rstrip("?").split(".")), word.endswith("?"))
        for word in text.split()
    )


_SHAPES = {
    type: _fields(fields)
    for type, fields in {
        "$welcome": "nversion ssession.id ssession.ticket nsession.ttl_ms bsession.resumed nrecv "
        "nheartbeat.interval_ms nheartbeat.timeout_ms nlimits.max_frame nlimits.window "
        "nlimits.rate.per_s nlimits.rate.burst nauth.expires_in_ms?",
        "$reject": "nclose serror.code serror.message serror.retry nerror.after_ms?",
        "$close": "ncode sreason wretry_after_ms?",
        "$ping": "nt",
        "$pong": "nt",
        "$ok": "sepoch? noff? brecovered? sreason?",
        "$err": "scode smessage sretry nafter_ms?",
        "$unsubbed": "scode sreason sretry",
        "$gap": "sreason nafter? nuntil? ndropped?",
        "$credit": "nn",
        "$auth_ok": "nexpires_in_ms?",
        "$auth_required": "nwithin_ms",
    }.items()
}
