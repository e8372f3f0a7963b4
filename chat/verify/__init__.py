"""Proves that nothing was lost, repeated, swapped or changed on its way (I9).

`findings` says what a difference is; `sequence`, `log_checks`, `projection_checks`,
`placeholders`, `bus_checks` and the `replay` are pure; `log_reader` and `stored_reader` read;
`room_verification`, `shard_checks`, `bus_verification` and `rollup_checks` join them, `verifier`
runs all of it.
"""

from chat.verify.checks.findings import Check, Finding
from chat.verify.verifier import Progress, Report, Verifier

__all__ = ["Check", "Finding", "Progress", "Report", "Verifier"]
