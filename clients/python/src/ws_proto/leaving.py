"""The last check before a frame of a call leaves (docs/protocol.md, sections 5, 7 and 12)."""

from __future__ import annotations

from .events import Call, Faulted, Reply, TimedOut, Unsupported
from .wire import Fault, Head, Outcome

_HEAD = 512
"""A header's share of a message's size, generously."""


def refusal(call: Call, head: Head, body: bytes, version: int, max_frame: int) -> Reply | None:
    """Why a request, a publication or a part may not leave on this connection."""
    if not call.since <= version < call.removed:
        return Unsupported(version)
    if len(body) + _HEAD <= max_frame:
        return None
    text = "the message is larger than the server takes"
    if head.re is None:
        return Faulted(Fault("too_large", text, "never"), Outcome.NOT_SENT)
    return Faulted(Fault("too_large", text, "unknown"), Outcome.UNKNOWN)


def is_late(call: Call, now: int) -> Reply | None:
    """Whether a request ran out of time while it waited."""
    return TimedOut(Outcome.NOT_SENT) if call.deadline <= now else None
