"""How many cases contract tests make, with which seed, and what the documents' formats mean."""

from __future__ import annotations

import os
import random

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.support.rooms import new_key

EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "3"))
IS_LONG = EXAMPLES > 3
SEED = random.randrange(2**32) if IS_LONG else 1
RUN = settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
WORDS = ["release", "Pläne", "комната", "έργα", "部屋", "غرفة", "🎉", "№ 5", "-", "x"]
OLD_OR_NEW = r"01[0-9][0-9a-f]{5}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
# Valid values of these formats, and a few that only the server can tell from valid ones.
FORMATS = {
    "room-name": st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)
    | st.just("gеneral"),
    "uuid7": st.builds(new_key) | st.from_regex(OLD_OR_NEW, fullmatch=True),
    "emoji": st.sampled_from(["👍", "❤️", "👩‍👩‍👧", "🇪🇺", "1️⃣", "x", "👍👍"]),
    "time-zone": st.sampled_from(
        ["UTC", "Europe/Moscow", "Asia/Kathmandu", "Pacific/Apia", "Etc/GMT+12", "Nowhere"]
    ),
}


def register_formats() -> None:
    """Register them with schemathesis, which knows only those of JSON Schema."""
    for name, values in FORMATS.items():
        schemathesis.openapi.format(name, values)
