"""The rules for requests that no JSON Schema can express, such as how parameters combine.

Answers name the broken rule in `rule`; the OpenAPI document lists those of each operation in
`x-rules`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ninja.errors import HttpError


class Rule(StrEnum):
    ONE_PERIOD = "one_period"
    FROM_BEFORE_TO = "from_before_to"
    NOT_TOO_LONG = "not_too_long"
    DAYS_OF_ZONE = "days_of_zone"
    KNOWN_ZONE = "known_zone"
    FEW_HOURS = "few_hours"
    ALL_ROOMS = "all_rooms"
    ONE_ROOM = "one_room"


SENTENCES = {
    Rule.ONE_PERIOD: "Either `period` is given, or `from` and `to`, or none of them.",
    Rule.FROM_BEFORE_TO: "`from` is not after `to`.",
    Rule.NOT_TOO_LONG: "From `from` to `to` are at most as many days as `to` allows.",
    Rule.DAYS_OF_ZONE: "These days exist in the time zone.",
    Rule.KNOWN_ZONE: "The time zone is one of IANA's list.",
    Rule.FEW_HOURS: "Rows of an hour are for at most as many days as `step` allows.",
    Rule.ALL_ROOMS: "`room` is not given: this is about all rooms.",
    Rule.ONE_ROOM: "`room` is given: this is about single rooms.",
}
PERIOD_RULES = (
    Rule.ONE_PERIOD,
    Rule.FROM_BEFORE_TO,
    Rule.NOT_TOO_LONG,
    Rule.DAYS_OF_ZONE,
    Rule.KNOWN_ZONE,
    Rule.FEW_HOURS,
)


class BrokenRule(HttpError):
    """Answered with 400; `rule` is None if the form is wrong."""

    def __init__(self, text: str, rule: Rule | None) -> None:
        super().__init__(400, text)
        self.rule = rule


def breaks(*rules: Rule) -> dict[str, Any]:
    """What an operation adds to the document."""
    return {"x-rules": {str(rule): SENTENCES[rule] for rule in rules}}
