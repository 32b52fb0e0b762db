"""Other credentials for a living connection (docs/protocol.md, section 11)."""

from __future__ import annotations

import math

from .events import AuthRequired, NotRenewed, Port, Renewed
from .wire import Fault

_EARLY_MS = 30_000
_SPACING_MS = 2000
"""Between one `$auth` and the next, whatever the server says."""
_AGAIN_MS = 5000
"""After a refusal."""


class Renewing:
    """When to ask the application for other credentials, and the one `$auth` that is out."""

    def __init__(self, port: Port) -> None:
        self.due = math.inf
        self._port = port
        self._is_wanted = False
        self._sent = ""
        self._not_before: float = 0

    @property
    def can_send(self) -> bool:
        """Whether no `$auth` waits for its answer."""
        return not self._sent

    def sent(self, id: str) -> None:
        """A `$auth` with this `id` leaves."""
        self._sent = id
        self._is_wanted = False
        self.due = math.inf
        self._not_before = self._port.now + _SPACING_MS

    def learned(self, life: int | None) -> None:
        """How long ours last, in milliseconds; without a number they do not expire."""
        if life is None:
            due = math.inf
        else:
            due = self._port.now + life - min(max(_EARLY_MS, life / 10), life / 2)
        self.due = max(self._not_before, due)

    def check(self) -> None:
        """Asks the application, when it is time."""
        if self.due > self._port.now:
            return
        self.due = math.inf
        self._is_wanted = True
        self._port.tell(AuthRequired())

    def on_required(self) -> None:
        """The server asks. Those that are on their way, or asked for, will do."""
        if self._sent or self._is_wanted:
            return
        self.due = min(self.due, max(self._not_before, self._port.now))
        self.check()

    def on_ok(self, re: str, life: int | None) -> None:
        """They were accepted."""
        if re != self._sent:
            return
        self._sent = ""
        self.learned(life)
        self._port.tell(Renewed())

    def on_err(self, re: str, fault: Fault) -> bool:
        """True when the fault is about ours."""
        if re != self._sent:
            return False
        self._sent = ""
        self.again(fault.after_ms or 0)
        # Nor earlier where the server says meanwhile that they have expired.
        self._not_before = self.due
        self._port.tell(NotRenewed(fault))
        return True

    def again(self, after: int = 0) -> None:
        """Asks the application once more, in a while."""
        self._is_wanted = False
        self.due = self._port.now + max(_AGAIN_MS, after)
