"""The schemas of the bus: generated, committed, and never changed under their readers."""

from __future__ import annotations

import copy
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from django.core.management import CommandError, call_command

from chat import events
from chat.event_bus import envelope, schemas
from chat.events import EventType, RoomEvent
from chat.events.mentions import Mentions

PROJECT = Path(__file__).parents[3]
FOLDER = PROJECT / "docs" / "events"

EXAMPLES: dict[EventType, events.EventData] = {
    EventType.ROOM_CREATED: events.RoomCreated(
        slug="a", name="A", kind=events.RoomKind.PUBLIC, topic="t"
    ),
    EventType.ROOM_UPDATED: events.RoomUpdated(name="B", slow_mode_seconds=30),
    EventType.ROOM_ARCHIVED: events.RoomArchived(),
    EventType.MEMBER_JOINED: events.MemberJoined(user=1, role=events.Role.OWNER),
    EventType.MEMBER_LEFT: events.Member(user=1),
    EventType.MEMBER_REMOVED: events.MemberRemoved(user=1, banned=True),
    EventType.MEMBER_MUTED: events.MemberMuted(user=1, until=datetime(2026, 1, 1, tzinfo=UTC)),
    EventType.MEMBER_UNMUTED: events.MemberUnmuted(user=1, everywhere=True),
    EventType.MESSAGE_POSTED: events.MessagePosted(
        body="hello @anna @room",
        reply_to=1,
        mentions=Mentions(people={"anna": 7}, all="room"),
    ),
    EventType.MESSAGE_EDITED: events.MessageEdited(
        target=1, body="Hello #general", mentions=Mentions(rooms={"general": 1})
    ),
    EventType.MESSAGE_DELETED: events.MessageTarget(target=2, thread=1, in_room=False, replies=-1),
    EventType.MESSAGE_RESTORED: events.MessageTarget(target=1),
    EventType.REPLY_POSTED: events.ReplyPosted(root=1, body="me too", root_author=1),
    EventType.REACTION_ADDED: events.Reaction(target=1, emoji="👍"),
    EventType.REACTION_REMOVED: events.Reaction(target=1, emoji="👍"),
    EventType.EVENT_QUARANTINED: events.EventQuarantined(
        reason="refused", original_type="message.posted", duplicate_of=(1, 2)
    ),
}


def committed() -> dict[str, str]:
    return {path.name: path.read_text() for path in FOLDER.glob(f"*{schemas.SUFFIX}")}


def schema_of(kind: EventType) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (FOLDER / f"{envelope.TYPE_NAMES[kind]}{schemas.SUFFIX}").read_text()
    )
    return found


def test_committed_schemas_are_the_generated_ones() -> None:
    generated = schemas.files()

    here = {name: text for name, text in committed().items() if name in generated}

    assert here == generated, "run `manage.py event_schemas` and commit docs/events"


def test_every_file_is_of_an_event_type_in_this_or_an_older_version() -> None:
    for name in committed().keys() - schemas.files().keys():
        type_name, _, version = name.removesuffix(schemas.SUFFIX).rpartition(".v")
        kind = EventType(type_name.removeprefix("chat."))
        assert int(version) < envelope.VERSIONS[kind]


def git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        pytest.skip("this is no git checkout")
    return answer.stdout


def test_no_schema_has_ever_been_changed_under_its_readers() -> None:
    generated = schemas.files()
    checked = 0
    for name, text in generated.items():
        for commit in git("log", "--format=%H", "--", f"docs/events/{name}").split():
            old = json.loads(git("show", f"{commit}:docs/events/{name}"))
            assert schemas.incompatible(old, json.loads(text)) == [], f"{name} since {commit}"
            checked += 1

    assert checked >= len(generated)


def test_every_event_on_the_bus_is_what_its_schemas_say() -> None:
    whole = json.loads((FOLDER / schemas.ENVELOPE_FILE).read_text())
    assert EXAMPLES.keys() == set(EventType)

    for kind, data in EXAMPLES.items():
        event = RoomEvent(
            room=5,
            epoch=1,
            seq=121,
            n=57,
            type=kind,
            key="01890a5d-ac96-774b-bcce-b302099a8057",
            actor=7,
            at=datetime(2026, 1, 1, tzinfo=UTC),
            data=msgspec.Raw(events.encode_data(data)),
        )
        document = json.loads(envelope.encode(event))
        jsonschema.validate(document, whole)
        jsonschema.validate(document["data"], schema_of(kind))
        assert envelope.decode(envelope.encode(event)) == event


def test_envelope_has_the_attributes_of_cloudevents() -> None:
    event = RoomEvent(
        room=5,
        epoch=2,
        seq=121,
        n=57,
        type=EventType.MESSAGE_POSTED,
        key=None,
        actor=None,
        at=datetime(2026, 1, 1, 12, 30, tzinfo=UTC),
        data=msgspec.Raw(b'{"body":"hello"}'),
    )

    document = json.loads(envelope.encode(event))

    assert document == {
        "specversion": "1.0",
        "id": "5-121",
        "source": "/veche/chat",
        "type": "chat.message.posted.v1",
        "subject": "room/5",
        "time": "2026-01-01T12:30:00Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:veche:schema:chat.message.posted.v1",
        "room": 5,
        "seq": 121,
        "n": 57,
        "epoch": 2,
        "data": {"body": "hello"},
    }
    assert all(name.isalnum() and name.islower() and len(name) <= 20 for name in document)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"", "Input data was truncated"),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field"),
        (b"\xff", "malformed"),
    ],
)
def test_record_that_is_none_of_ours_is_refused(value: bytes, problem: str) -> None:
    with pytest.raises(msgspec.MsgspecError, match=problem):
        envelope.decode(value)


def test_event_of_an_unknown_type_is_refused() -> None:
    event = RoomEvent(
        room=1,
        epoch=1,
        seq=1,
        n=1,
        type=EventType.ROOM_ARCHIVED,
        key=None,
        actor=None,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        data=msgspec.Raw(b"{}"),
    )
    future = envelope.encode(event).replace(b"room.archived.v1", b"room.archived.v9")

    with pytest.raises(msgspec.ValidationError, match="unknown event type"):
        envelope.decode(future)


def changed(kind: EventType, *path: str, value: Any = ...) -> list[str]:
    """The problems reported if the value at `path` of a committed schema is set or removed."""
    old = schema_of(kind)
    new = copy.deepcopy(old)
    parent = new
    for name in path[:-1]:
        parent = parent[name]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return schemas.incompatible(old, new)


def test_format_may_be_told_and_is_then_kept() -> None:
    muted = EventType.MEMBER_MUTED
    until = schema_of(muted)["properties"]["until"]

    assert until["format"] == "date-time"
    assert schemas.incompatible({"type": "string"}, until) == []
    assert changed(muted, "properties", "until", "format") == ["data.until has another type."]


def test_removed_retyped_and_newly_required_fields_are_refused() -> None:
    edited, joined = EventType.MESSAGE_EDITED, EventType.MEMBER_JOINED

    assert changed(edited, "properties", "body") == ["data.body was removed."]
    assert changed(edited, "properties", "body", "type", value="integer") == [
        "data.body has another type."
    ]
    assert changed(joined, "required", value=["user", "role"]) == ["data.role is newly required."]
    assert changed(edited, "required", value=["body"]) == ["data.target may be absent now."]
    assert changed(joined, "$defs", "Role", "enum", value=["member", "owner"]) == [
        "data.role cannot be 'moderator' any more.",
        "data.previous cannot be 'moderator' any more.",
    ]
    assert changed(EventType.MESSAGE_POSTED, "properties", "reply_to", value={"type": "integer"})
    assert changed(EventType.MESSAGE_POSTED, "properties", "body", "anyOf", value=[])


def test_more_fields_more_values_and_better_words_are_taken() -> None:
    edited, joined = EventType.MESSAGE_EDITED, EventType.MEMBER_JOINED

    assert changed(edited, "properties", "reason", value={"type": "string"}) == []
    assert changed(edited, "description", value="Said better.") == []
    roles = ["member", "moderator", "owner", "guest"]
    assert changed(joined, "$defs", "Role", "enum", value=roles) == []


def test_command_writes_nothing_that_readers_would_trip_over(tmp_path: Path) -> None:
    call_command("event_schemas", tmp_path, verbosity=0)
    name = f"chat.message.edited.v1{schemas.SUFFIX}"
    published = json.loads((tmp_path / name).read_text())
    published["properties"]["gone"] = {"type": "string"}
    (tmp_path / name).write_text(json.dumps(published))

    with pytest.raises(CommandError, match=r"data\.gone was removed"):
        call_command("event_schemas", tmp_path)

    assert json.loads((tmp_path / name).read_text()) == published
