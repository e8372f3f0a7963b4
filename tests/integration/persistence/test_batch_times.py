"""When an event was stored and exported, for whoever looks into a message."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from chat.events import RoomKind
from chat.export import exporter
from chat.export.exporter import Exporter
from chat.models import BatchEnd, Message, RoomEvent, ShardCursor
from chat.persistence import batch_times
from tests.support.admin_world import at_admin, said, staff, stored, without_second_factor, world
from tests.support.buses import EventBusUnderTest
from tests.support.moderation_world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def here() -> World:
    return world(kind=RoomKind.PUBLIC)


def times(message: Message) -> tuple[datetime | None, datetime | None]:
    event = RoomEvent.objects.get(room=message.room, seq=message.seq)
    stored_at, exported_at = [
        batch_times.time_of(kind, event)
        for kind in (ShardCursor.Kind.PERSIST, ShardCursor.Kind.EXPORT)
    ]
    return stored_at, exported_at


def test_each_event_has_the_times_of_its_own_batch(here: World, on: EventBusUnderTest) -> None:
    began = timezone.now()
    first = said(here.room, here.anna, "first")
    between = timezone.now()
    second = said(here.room, here.anna, "second")
    before_export = times(second)
    Exporter(on.bus).export(RoomEvent.objects.get(room=here.room, seq=second.seq).shard)

    first_stored, first_exported = times(first)
    second_stored, second_exported = times(second)
    assert first_stored is not None
    assert second_stored is not None
    assert second_exported is not None
    assert began < first_stored < between < second_stored < second_exported
    assert before_export == (second_stored, None)
    assert first_exported == second_exported


def exported(here: World, on: EventBusUnderTest) -> None:
    on.exporter.export(RoomEvent.objects.filter(room=here.room).latest("pk").shard)


def test_events_that_were_rewound_have_the_time_of_the_export_after_it(
    here: World, on: EventBusUnderTest
) -> None:
    first = said(here.room, here.anna, "first")
    exported(here, on)
    second = said(here.room, here.anna, "second")
    exported(here, on)
    shard = RoomEvent.objects.get(room=here.room, seq=first.seq).shard

    exporter.rewind(shard)
    rewound = [times(message)[1] for message in (first, second)]
    again = timezone.now()
    exported(here, on)

    assert rewound == [None, None]
    for message in (first, second):
        exported_at = times(message)[1]
        assert exported_at is not None
        assert exported_at > again


def test_events_before_the_place_of_a_rewind_keep_their_time(
    here: World, on: EventBusUnderTest
) -> None:
    first, second = [said(here.room, here.anna, text) for text in ("first", "second")]
    exported(here, on)
    at_first = times(first)[1]
    RoomEvent.objects.filter(room=here.room, seq__lte=first.seq).update(
        at=timezone.now() - timedelta(hours=3)
    )

    exporter.rewind(RoomEvent.objects.get(room=here.room, seq=1).shard, timedelta(hours=1))
    again = timezone.now()
    exported(here, on)
    at_second = times(second)[1]

    assert times(first)[1] == at_first
    assert at_second is not None
    assert at_second > again


def test_event_whose_batch_end_is_forgotten_does_not_get_that_of_a_later_batch(
    here: World,
) -> None:
    old = said(here.room, here.anna, "long ago")
    RoomEvent.objects.filter(room=here.room).update(at=timezone.now() - batch_times.KEPT)
    BatchEnd.objects.update(at=timezone.now() - batch_times.KEPT)
    batch_times.forget()
    new = said(here.room, here.anna, "today")

    assert times(old) == (None, None)
    assert times(new)[0] is not None


def test_drain_without_events_notes_nothing(here: World) -> None:
    said(here.room, here.anna, "hello")
    before = BatchEnd.objects.count()

    stored(here.room)

    assert BatchEnd.objects.count() == before


def test_page_of_a_message_shows_them_for_as_long_as_they_are_kept(
    here: World, settings: Settings
) -> None:
    without_second_factor(settings)
    moderator = at_admin(staff("mara", "moderator"))
    message = said(here.room, here.anna, "hello")
    page = f"/admin/history/{here.room.pk}/{message.seq}/"
    stored_at = times(message)[0]

    known = moderator.get(page).context["stored_at"]
    batch_times.forget()
    still_known = moderator.get(page).context["stored_at"]
    BatchEnd.objects.update(at=timezone.now() - batch_times.KEPT)
    batch_times.forget()
    forgotten = moderator.get(page).context["stored_at"]

    assert known == still_known == stored_at
    assert forgotten is None
