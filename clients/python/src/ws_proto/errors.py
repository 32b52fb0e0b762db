"""What goes wrong, whose fault it is, and what may be concluded (docs/protocol.md, section 7)."""

from __future__ import annotations

import typing

from .events import Err, Faulted, Lost, Reply, TimedOut, Unsupported
from .wire import Fault, Json, Outcome

Kind = typing.Literal["err", "fault", "timeout", "lost", "unsupported", "invalid"]


class ClientError(Exception):
    """What everything that this package raises has in common."""


class PayloadError(ClientError):
    """A payload of the server is not what its type says. `path` names the first place."""

    def __init__(self, type: str, path: str, problem: str) -> None:
        super().__init__(f"{type}: {path}: {problem}")
        self.type = type
        self.path = path


class CallError(ClientError):
    """Why a call did not succeed. `outcome` says whether it was worked on."""

    def __init__(
        self,
        kind: Kind,
        outcome: Outcome,
        message: str,
        fault: Fault | None = None,
        error: typing.Any = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.outcome = outcome
        self.fault = fault
        """Where `kind` is `fault`: what the framework says."""
        self.error = error
        """Of a `Rejected`: the application's own error, as its type."""


class Rejected(CallError):
    """The application's own, typed error: `error`. The request was worked on."""

    def __init__(self, type: str, error: typing.Any) -> None:
        super().__init__("err", Outcome.PROCESSED, f"{type}: {error!r}", error=error)


class Rejection(ClientError):
    """Raised by whoever serves a callback: its typed error, as the answer."""

    def __init__(self, error: typing.Any) -> None:
        super().__init__(repr(error))
        self.error = error


class ConnectError(ClientError):
    """Why the client does not connect any more by itself."""

    def __init__(self, message: str, code: int | None = None, reject: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        """The close code, or the HTTP status. 4511: one side needs an upgrade."""
        self.reject = reject
        """The payload of `$reject`, where the server refused the hello."""


def failure(type: str, reply: Reply) -> CallError:
    """The error of a reply that is no success; a typed error is made where its type is known."""
    match reply:
        case Err(payload):
            return Rejected(type, payload)
        case Faulted(fault, outcome):
            return CallError("fault", outcome, f"{type}: {fault.code}: {fault.message}", fault)
        case TimedOut(outcome):
            return CallError("timeout", outcome, f"{type}: no answer in time")
        case Lost(outcome):
            return CallError("lost", outcome, f"{type}: the session was lost")
        case Unsupported(version):
            text = f"{type}: not in version {version}"
            return CallError("unsupported", Outcome.NOT_SENT, text)
        case _:
            text = f"{type}: an answer of another kind"
            return CallError("fault", Outcome.PROCESSED, text)
