"""What goes into a session and what comes out of it."""

from __future__ import annotations

import dataclasses
import math
import typing

from .codec import Codec
from .wire import Done, Fault, Head, Hole, Json, Outcome

if typing.TYPE_CHECKING:
    from .serving import Request

By = typing.Literal["application", "session", "peer", "network"]


@dataclasses.dataclass(slots=True, eq=False)
class Call:
    """A request or a publication of the application. The session keeps the second half."""

    type: str
    body: bytes
    """The payload as it travels."""
    deadline: float = math.inf
    """When its time is over, on the session's clock."""
    ch: str | None = None
    key: str | None = None
    since: int = 0
    removed: float = math.inf
    id: str = ""
    is_sent: bool = False
    is_cancelled: bool = False
    is_ended: bool = False
    parts: int = 0
    """Parts of its upload that the server takes."""

    @property
    def outcome(self) -> Outcome:
        """What may be concluded while there is no answer."""
        return Outcome.UNKNOWN if self.is_sent else Outcome.NOT_SENT


# How a call ended.


@dataclasses.dataclass(frozen=True, slots=True)
class Ok:
    """It was done."""

    payload: typing.Any


@dataclasses.dataclass(frozen=True, slots=True)
class Err:
    """The application's own error."""

    payload: typing.Any


@dataclasses.dataclass(frozen=True, slots=True)
class Published:
    """The event stands."""

    done: Done


@dataclasses.dataclass(frozen=True, slots=True)
class Faulted:
    """A fault of the framework."""

    fault: Fault
    outcome: Outcome


@dataclasses.dataclass(frozen=True, slots=True)
class TimedOut:
    """Its time ran out."""

    outcome: Outcome


@dataclasses.dataclass(frozen=True, slots=True)
class Lost:
    """Its session was lost."""

    outcome: Outcome


@dataclasses.dataclass(frozen=True, slots=True)
class Unsupported:
    """The negotiated version does not have it."""

    version: int


Reply = Ok | Err | Published | Faulted | TimedOut | Lost | Unsupported

# What a session tells its application.


@dataclasses.dataclass(frozen=True, slots=True)
class Welcome:
    """The session stands."""

    welcome: Json


@dataclasses.dataclass(frozen=True, slots=True)
class Reject:
    """The server does not take the client in."""

    reject: Json


@dataclasses.dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended."""

    by: By
    code: int
    reason: str
    retry: tuple[int, int] | None = None
    """The window of the first delay, in milliseconds."""


@dataclasses.dataclass(frozen=True, slots=True)
class AuthRequired:
    """The credentials expire soon: other ones are wanted."""


@dataclasses.dataclass(frozen=True, slots=True)
class Renewed:
    """The server took the other credentials."""


@dataclasses.dataclass(frozen=True, slots=True)
class NotRenewed:
    """The server refused the other credentials."""

    fault: Fault


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """The one end of a call."""

    call: Call
    reply: Reply


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """An item of a stream."""

    call: Call
    payload: typing.Any


@dataclasses.dataclass(frozen=True, slots=True)
class Granted:
    """The server takes more parts of an upload."""

    call: Call
    n: int


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """The server asks."""

    request: Request


@dataclasses.dataclass(frozen=True, slots=True)
class Stopped:
    """Nobody waits for the answer any more."""

    request: Request
    why: typing.Literal["cancelled", "deadline"]


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """The state of a channel."""

    ch: str
    payload: typing.Any


@dataclasses.dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription stands."""

    ch: str
    done: Done


@dataclasses.dataclass(frozen=True, slots=True)
class NotSubscribed:
    """A subscription was refused."""

    ch: str
    fault: Fault


@dataclasses.dataclass(frozen=True, slots=True)
class Dropped:
    """The server ended a subscription."""

    ch: str
    fault: Fault


@dataclasses.dataclass(frozen=True, slots=True)
class Delivered:
    """An event of a channel."""

    ch: str
    type: str
    payload: typing.Any
    off: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Missed:
    """Events of a channel that will never come."""

    ch: str
    hole: Hole


@dataclasses.dataclass(frozen=True, slots=True)
class CaughtUp:
    """The replay of a channel is over."""

    ch: str
    off: int


@dataclasses.dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The barrier: nothing of the channel follows."""

    ch: str


About = State | Subscribed | NotSubscribed | Dropped | Delivered | Missed | CaughtUp | Unsubscribed
Event = (
    Welcome
    | Reject
    | Closed
    | AuthRequired
    | Renewed
    | NotRenewed
    | Answered
    | Item
    | Granted
    | Asked
    | Stopped
    | About
)


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """A request that the client serves: which versions have it."""

    since: int = 0
    removed: float = math.inf


@dataclasses.dataclass(slots=True)
class Config:
    """What a session is told at its start. Its clock counts milliseconds, never backwards."""

    protocol: str
    versions: tuple[int, int]
    id: typing.Callable[[], str]
    """Makes a fresh UUID."""
    codec: Codec
    wall: int = 0
    """Added to the session's time, it is the wall clock."""
    serves: typing.Mapping[str, Served] = dataclasses.field(default_factory=dict)
    max_frame: int = 65_536
    window: int = 256


class Port(typing.Protocol):
    """What the parts of a session need of it."""

    @property
    def now(self) -> int:
        """The session's clock."""

    @property
    def version(self) -> int:
        """The negotiated version."""

    @property
    def max_frame(self) -> int:
        """Bytes of the largest message that the server takes."""

    def is_open(self) -> bool:
        """Whether there was a welcome."""

    def has_room(self) -> bool:
        """Whether the application may send more."""

    def push(self, type: str, payload: typing.Any, **about: typing.Any) -> str:
        """Queues a frame of the session stream; its `id`."""

    def push_body(self, head: Head, body: bytes) -> None:
        """The same, with a payload that was written."""

    def head(self, type: str, **about: typing.Any) -> Head:
        """A header with a fresh `id`."""

    def tell(self, event: Event) -> None:
        """Tells the application."""
