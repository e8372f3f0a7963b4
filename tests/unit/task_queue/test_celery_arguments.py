"""Task arguments are ids: brokers, logs and dead letters show them."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import current_app, shared_task
from django.conf import settings

from chat.task_queue.base import WakeUp, check_arguments


@shared_task(name="test.unit")
def task(number: int) -> None:
    """Does nothing."""


@pytest.mark.parametrize("value", [1, None, True, "abc", "0192-ab:c/d@e.org", ""])
def test_ids_and_names_are_arguments(value: Any) -> None:
    check_arguments([value], {"one": value})


@pytest.mark.parametrize("value", ["hello world", "a\nb", "x" * 201, b"bytes", ["a"], {"a": 1}])
def test_what_could_be_somebodys_words_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        check_arguments([value], {})
    with pytest.raises(TypeError):
        task.apply_async(kwargs={"number": value})


def test_countdown_that_the_broker_would_not_wait_for_is_refused() -> None:
    with pytest.raises(ValueError, match="countdown"):
        task.apply_async((1,), countdown=3600)
    with pytest.raises(ValueError, match="countdown"):
        task.apply_async((1,), eta=datetime(2099, 1, 1, tzinfo=UTC))


def test_every_task_is_a_wake_up() -> None:
    assert isinstance(task, WakeUp)
    assert not task.acks_late


def test_task_called_as_a_function_raises_its_own_errors() -> None:
    @shared_task(name="test.unit.raises")
    def raises() -> None:
        raise KeyError("own")

    with pytest.raises(KeyError):
        raises()


def test_every_scheduled_task_exists() -> None:
    importlib.import_module("chat.tasks")

    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert scheduled - set(current_app.tasks) == set()
