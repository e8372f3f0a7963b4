"""Named places at which a process can be made to die, to prove that dying there loses nothing.

`VECHE_CRASH_POINT=persist.after_commit:3` makes the process kill itself, as with kill -9, when it
reaches that place for the third time. Without the setting, a call costs one comparison.
`tests/integration/resilience/test_crash_points.py` dies at each of these places and verifies what
is left.
"""

from __future__ import annotations

import os
import signal
import threading

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

CRASH_POINTS = {
    "append.before_send": "a batch is about to go to the log server",
    "append.after_answer": "the log has the batch, nobody has been told",
    "moderation.before_append": "an act is on record, its event is not logged",
    "moderation.after_append": "the event of an act is logged, its outcome is not on record",
    "load.after_token": "a room is about to be read in PostgreSQL for the log",
    "load.before_script": "the room was read and is not in the log",
    "load.after_script": "the room is in the log, nothing was appended",
    "epoch.before_log": "a new epoch is in PostgreSQL's transaction and not in the log",
    "epoch.after_log": "a new epoch is in the log and not committed in PostgreSQL",
    "persist.after_read": "a batch was read from the ingest stream",
    "persist.before_commit": "events, projections and cursor are written and not committed",
    "persist.after_commit": "PostgreSQL has the batch, the log does not know",
    "persist.after_log_told": "the log has moved its watermark, nobody has been told",
    "dead_letters.after_add": "a dead letter is kept, what it is about is not settled",
    "dead_letters.after_claim": "a dead letter is claimed for a retry that has not begun",
    "dead_letters.before_remove": "what was retried is done, its dead letter is still there",
    "dead_letters.before_discarded": "a discard is on record, its dead letter is still there",
    "put_back.before_commit": "an event has taken its placeholder's row, not committed",
    "put_back.after_commit": "the event stands, nobody has been told",
    "export.after_publish": "the bus has a batch, the cursor has not moved",
    "export.after_replacements": "the bus has events that were put back, PostgreSQL does not know",
    "export.before_commit": "the cursor has moved and is not committed",
    "export.after_commit": "the cursor is committed",
}


class _Armed:
    """The one point at which this process dies, and at which hit."""

    def __init__(self, text: str) -> None:
        self.name, _, hits = text.partition(":")
        if self.name not in CRASH_POINTS:
            raise ImproperlyConfigured(f"VECHE_CRASH_POINT: there is no point {self.name!r}.")
        self._left = int(hits or 1)
        self._lock = threading.Lock()

    def hit(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left:
                return
        os.write(2, f"crash point {self.name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


_armed = _Armed(settings.ENV.veche_crash_point) if settings.ENV.veche_crash_point else None


def crash_point(name: str) -> None:
    """Ends the process here if it was told to; does nothing otherwise."""
    if _armed is not None and _armed.name == name:
        _armed.hit()
