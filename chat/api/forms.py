"""Texts in requests as the OpenAPI document describes them.

They are checked where they are used, which gives better answers than a pattern; see
`chat.protocol.text_forms`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from chat.accounts.people import MAX_PEOPLE
from chat.actions.reports import MAX_ANSWER_CHARACTERS
from chat.actions.room_arrangement import MAX_SECTION_NAME_CHARACTERS
from chat.audit.entries import MAX_REASON_CHARACTERS
from chat.broken_rules import SENTENCES, Rule
from chat.models.reports import MAX_NOTE_CHARACTERS
from chat.names.labels import MAX_NAME_CHARACTERS, MAX_TOPIC_CHARACTERS
from chat.protocol.frames import MAX_BODY_CHARACTERS, MAX_EMOJI_CHARACTERS
from chat.protocol.text_forms import KEY, LABEL, LINES, of_body, of_emoji, of_label, of_lines
from chat.queries.mentions import CURSOR_PATTERN as MENTION_CURSOR_PATTERN
from chat.queries.search import MAX_QUERY_CHARACTERS, MIN_QUERY_CHARACTERS
from chat.queries.threads import CURSOR_PATTERN


def _text(form: dict[str, Any], **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **form, **more})


RoomName = Annotated[str, _text(of_label(MAX_NAME_CHARACTERS), format="room-name")]
Name = Annotated[str, _text(of_label(MAX_NAME_CHARACTERS))]
NamePart = Annotated[str, _text(of_label(MAX_NAME_CHARACTERS, may_be_empty=True))]
SectionName = Annotated[str, _text(of_label(MAX_SECTION_NAME_CHARACTERS))]
Topic = Annotated[str, _text(of_label(MAX_TOPIC_CHARACTERS, may_be_empty=True))]
Reason = Annotated[str, _text(of_label(MAX_REASON_CHARACTERS))]
ReasonOrNone = Annotated[str, _text(of_label(MAX_REASON_CHARACTERS, may_be_empty=True))]
Note = Annotated[str, _text(of_lines(MAX_NOTE_CHARACTERS))]
Answer = Annotated[
    str, _text(of_lines(MAX_ANSWER_CHARACTERS), description="What the reporter is told.")
]
MessageBody = Annotated[str, _text(of_body(MAX_BODY_CHARACTERS))]
Emoji = Annotated[str, _text(of_emoji(MAX_EMOJI_CHARACTERS))]
Words = Annotated[
    str,
    _text(
        {
            "pattern": LABEL,
            "minLength": MIN_QUERY_CHARACTERS,
            "maxLength": MAX_QUERY_CHARACTERS,
        }
    ),
]
MAX_ZONE_CHARACTERS = 64
TimeZone = Annotated[
    str,
    Field(max_length=MAX_ZONE_CHARACTERS),
    WithJsonSchema({"type": "string", "format": "time-zone", "maxLength": MAX_ZONE_CHARACTERS}),
]
UserIds = Annotated[
    str, _text({"pattern": f"^[0-9]{{1,16}}(,[0-9]{{1,16}}){{0,{MAX_PEOPLE - 1}}}$"})
]
Cursor = Annotated[str, _text({"pattern": f"^{CURSOR_PATTERN}$"})]
MentionCursor = Annotated[str, _text({"pattern": f"^{MENTION_CURSOR_PATTERN}$"})]
IdempotencyKey = Annotated[str, _text({"pattern": KEY, "format": "uuid7"})]


def lines(longest: int) -> WithJsonSchema:
    """Text without control characters; `longest` is the parameter's own limit."""
    return _text({"pattern": LINES, "maxLength": longest})


def breaks(*rules: Rule) -> dict[str, Any]:
    """An operation's addition to the document: the rules that its requests may break."""
    return {"x-rules": {str(rule): SENTENCES[rule] for rule in rules}}
