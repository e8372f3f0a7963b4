"""The form of texts in JSON Schema, for the OpenAPI and AsyncAPI documents. Pure.

Only the documents contain these patterns. The texts are checked where they are used
(`chat.names.labels`, `chat.protocol.rules`), which gives better answers; a test compares the two,
character by character. The patterns suit every engine: without `\\p{…}`, with literal characters
beyond the first plane, and without ranges of 100,000, which some generators spell out.
Rules that no pattern can express are in `chat.broken_rules`.
"""

from __future__ import annotations

from typing import Any

# Controls except tab and line ends, direction marks, line and paragraph separators.
_NOT_IN_LABELS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_SPACES = r"\t\n\r \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
# Joiners and other marks that show nothing by themselves.
_MARKS = (
    r"\u00ad\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200d\u2060-\u2064"
    r"\u206a-\u206f\ufeff\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
# Characters drawn as nothing although their category says otherwise (`chat.names.characters`).
_BLANKS = (
    r"\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00016fe4\U0001d159\U000e0000-\U000e0fff"
)

_ANY = f"[^{_NOT_IN_LABELS}]"
_SHOWN = f"[^{_NOT_IN_LABELS}{_SPACES}{_MARKS}{_BLANKS}]"

LABEL = f"^{_ANY}*{_SHOWN}{_ANY}*$"
LABEL_OR_NOTHING = f"^(?:[{_SPACES}]*|{_ANY}*{_SHOWN}{_ANY}*)$"
LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
BODY = rf"^[^\x00]*{_SHOWN}[^\x00]*$"
WITHOUT_NUL = r"^[^\x00]*$"
UUID7 = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
KEY = f"^{UUID7}$"


def _numbers_up_to(largest: str) -> str:
    """Matches the whole numbers from 1 to `largest`, in decimal, and nothing else."""
    length = len(largest)
    same_length = []
    for place, digit in enumerate(largest):
        least = 0 if place else 1
        if int(digit) > least:
            smaller = f"[{least}-{int(digit) - 1}]"
            same_length.append(f"{largest[:place]}{smaller}[0-9]{{{length - place - 1}}}")
    shorter = f"[1-9][0-9]{{0,{length - 2}}}"
    return f"(?:{'|'.join([shorter, *same_length, largest])})"


# A room id as the name of a field, where no maximum can be stated.
ROOM_NUMBER = _numbers_up_to("9007199254740991")


def of_label(longest: int, *, may_be_empty: bool = False) -> dict[str, Any]:
    """The texts that `check_label` accepts."""
    if may_be_empty:
        return {"pattern": LABEL_OR_NOTHING, "maxLength": longest}
    return {"pattern": LABEL, "minLength": 1, "maxLength": longest}


def of_lines(longest: int) -> dict[str, Any]:
    """The texts that `check_text` accepts."""
    return {"pattern": LINES, "maxLength": longest}


def of_body(longest: int) -> dict[str, Any]:
    """The texts that `check_body` accepts."""
    return {"pattern": BODY, "minLength": 1, "maxLength": longest}


def of_emoji(longest: int) -> dict[str, Any]:
    """The texts that `check_emoji` accepts, and more: no pattern can say what an emoji is."""
    return {"format": "emoji", "pattern": WITHOUT_NUL, "minLength": 1, "maxLength": longest}
