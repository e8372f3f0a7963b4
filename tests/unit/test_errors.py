"""What errors tell clients."""

from __future__ import annotations

import pytest

from chat.errors import in_hundredths


@pytest.mark.parametrize("seconds", [0.0001, 0.004, 0.196, 1.5, 30.0])
def test_whoever_waits_as_long_as_told_has_waited_long_enough(seconds: float) -> None:
    assert seconds <= in_hundredths(seconds) < seconds + 0.011
