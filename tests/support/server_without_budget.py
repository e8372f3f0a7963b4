"""The web process without the frame budget, so that tests can reach the limits behind it.

python -m tests.support.server_without_budget
"""

from __future__ import annotations

import sys

import django

if __name__ == "__main__":
    django.setup()

    from chat.resilience.rate_limit import BucketsByUser
    from chat.websocket import frame_gate

    frame_gate.UNITS_PER_SECOND = frame_gate.UNITS_BURST = 1e9
    frame_gate._people = BucketsByUser(1e9, 1e9)

    from chatsite.server import main

    sys.exit(main())
