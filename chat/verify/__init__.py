"""Proves that nothing was lost, repeated, swapped or changed on its way (I9).

`findings` defines what a difference is. `sequence`, `log_checks`, `projection_checks`,
`placeholders`, `event_bus_checks` and `replay` are pure; `log_reader`, `stored_reader` and
`dead_letter_reader` read. `room_verification`, `shard_checks`, `event_bus_verification` and
`rollup_checks` combine them, and `verifier` runs everything.
"""

from chat.verify.checks.findings import Check, Finding
from chat.verify.verifier import Progress, VerificationReport, Verifier

__all__ = ["Check", "Finding", "Progress", "VerificationReport", "Verifier"]
