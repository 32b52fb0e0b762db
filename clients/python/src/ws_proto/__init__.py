"""A client of the ws-proto wire protocol: typed requests, streams and channels over a WebSocket."""

from .asking import Stream
from .client import Client, Options, error_of
from .contract import Contract
from .driver import Connecting, Finished, Ready, State, Waiting
from .errors import CallError, ClientError, ConnectError, PayloadError, Rejected, Rejection
from .socket import Backoff
from .subscription import (
    Ended,
    Event,
    Gap,
    Invalid,
    Item,
    Live,
    Snapshot,
    Subscription,
    Unknown,
)
from .wire import Advice, Fault, Outcome, Position, address, advice

__all__ = [
    "Advice",
    "Backoff",
    "CallError",
    "Client",
    "ClientError",
    "ConnectError",
    "Connecting",
    "Contract",
    "Ended",
    "Event",
    "Fault",
    "Finished",
    "Gap",
    "Invalid",
    "Item",
    "Live",
    "Options",
    "Outcome",
    "PayloadError",
    "Position",
    "Ready",
    "Rejected",
    "Rejection",
    "Snapshot",
    "State",
    "Stream",
    "Subscription",
    "Unknown",
    "Waiting",
    "address",
    "advice",
    "error_of",
]
