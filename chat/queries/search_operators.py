"""Parses the operators of a search text: `from:anna`, `-in:"Old plans"`, `has:link`. Pure.

What is no operator is left as it was typed, for `chat.queries.search_query`: names that are not in
the table, names without a value, and all that stands in quotes. So there is a way to look for any
text: in quotes.
"""

from __future__ import annotations

import re

import msgspec

from chat.queries.search_query import QUOTES

# The operators, and the values of those that have a closed list of them.
OPERATORS: dict[str, frozenset[str] | None] = {
    "from": None,
    "in": None,
    "with": None,
    "before": None,
    "after": None,
    "on": None,
    "has": frozenset({"link", "code", "reaction"}),
    "is": frozenset({"edited"}),
}
# "Not before" is "after": these cannot be excluded.
DATES = frozenset({"before", "after", "on"})

# A phrase, an operator with its value, or whatever else stands between spaces.
TOKEN = re.compile(
    r'-?"[^"]*(?:"|$)'
    rf"|(?P<minus>-)?(?P<name>{'|'.join(OPERATORS)}):"
    r'(?:"(?P<quoted>[^"]*)(?:"|$)|(?P<bare>[^\s"]\S*))'
    r"|\S+",
    re.IGNORECASE,
)


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is in `OPERATORS`; `value` is not blank; `typed` is the whole as it was typed."""

    name: str
    value: str
    excluded: bool
    typed: str


class SearchText(msgspec.Struct, frozen=True):
    """A search text, taken apart. `words` is what to look for, and may be empty."""

    words: str
    operators: list[Operator]


def take_apart(text: str) -> SearchText:
    """The operators in `text`, and the rest of it in its order. Every text can be taken apart."""
    matches = list(TOKEN.finditer(text.translate(QUOTES)))
    operators = [_operator(match, text[match.start() : match.end()]) for match in matches]
    words, end = "", 0
    for at, match in enumerate(matches):
        if operators[at] is not None or _joins_operators(match, operators, at):
            words += f"{text[end : match.start()]} "
            end = match.end()
    return SearchText(
        words=" ".join((words + text[end:]).split()),
        operators=[one for one in operators if one is not None],
    )


def _operator(match: re.Match[str], typed: str) -> Operator | None:
    if match["name"] is None:
        return None
    name, excluded = match["name"].lower(), match["minus"] is not None
    value = match["bare"] if match["quoted"] is None else match["quoted"]
    if not value.strip() or (excluded and name in DATES):
        return None
    return Operator(name=name, value=" ".join(value.split()), excluded=excluded, typed=typed)


def _joins_operators(match: re.Match[str], operators: list[Operator | None], at: int) -> bool:
    """`from:anna or from:boris` is what `from:anna from:boris` means anyway."""
    return match[0].lower() == "or" and (
        0 < at < len(operators) - 1 and None not in (operators[at - 1], operators[at + 1])
    )
