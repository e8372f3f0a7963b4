"""The web process without rate limits, for tests that make a thousand requests in a row.

python -m tests.support.server_without_limits
"""

from __future__ import annotations

import sys

import django

if __name__ == "__main__":
    django.setup()

    from chat.api import requests
    from chat.middleware import unpaid_requests
    from chat.resilience.rate_limit import BucketsByUser
    from chat.resilience.reading_budget import BUDGET

    BUDGET._buckets = BucketsByUser(1e9, 1e9)
    for throttle in (
        requests.WRITES,
        requests.SENDS,
        requests.REPORTS,
        requests.SEARCHES,
        requests.TICKETS,
    ):
        throttle._buckets = BucketsByUser(1e9, 1e9)
    unpaid_requests.PERSON_PER_SECOND = unpaid_requests.PERSON_BURST = 1e9
    unpaid_requests.STRANGERS_PER_SECOND = unpaid_requests.STRANGERS_BURST = 1e9

    from chatsite.server import main

    sys.exit(main())
