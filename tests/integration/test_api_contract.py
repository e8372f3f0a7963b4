"""The OpenAPI document against a real web process: requests that it allows, generated, and answers.

Seeded, and without what cannot be repeated, so that it fails for what has changed and for nothing
else. Nothing is asked of the limits: they are out of the way.
"""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from asgiref.sync import async_to_sync, sync_to_async
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chat import tokens
from chat.models import User
from tests.integration.chat_world import store
from tests.integration.rooms import new_key, new_person, new_room, post
from tests.integration.web_process import WebProcess, web_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

EXAMPLES = 3
SEED = 1
ONCE = settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[WebProcess]:
    with web_process(
        tmp_path / "server.log",
        module="tests.integration.server_without_limits",
        ASGI_SERVER=request.param,
    ) as process:
        yield process


@async_to_sync
async def a_world() -> tuple[int, int, str]:
    """A room with some history, a member, and a token of its owner, who is staff."""
    anna, boris = await new_person("anna"), await new_person("boris")
    await User.objects.filter(pk=anna.pk).aupdate(is_superuser=True, is_staff=True)
    room = await new_room(anna, boris)
    for number in range(3):
        await post(room, boris, f"message {number}")
    await store(room.pk)
    _, token = await sync_to_async(tokens.issue)(anna.pk, "test")
    return room.pk, boris.pk, token


def document_of(server: WebProcess) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/openapi.json") as answer:
        document: dict[str, Any] = json.load(answer)
    return document


def test_every_answer_is_as_documented(server: WebProcess) -> None:
    room, person, token = a_world()
    schema = schemathesis.openapi.from_dict(document_of(server))
    schema.config.update(base_url=f"http://127.0.0.1:{server.port}")
    known = {
        "room_id": [room, 10**9],
        "user_id": [person, 10**9],
        "seq": [3, 4, 99],
        "token_id": [10**9],  # not the one that asks
    }
    asked: Counter[str] = Counter()
    found: list[str] = []

    def ask(case: schemathesis.Case[Any]) -> None:
        name = f"{case.operation.method} {case.operation.path}"
        asked[name] += 1
        for parameter, values in known.items():
            if parameter in case.path_parameters:
                case.path_parameters[parameter] = values[asked[name] % len(values)]
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = new_key()  # of any other time it may be refused
        response = case.call(headers={"Authorization": f"Bearer {token}"}, timeout=30)
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as failures:
            found.extend(f"{name}: {failure}" for failure in failures.exceptions)

    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        asking = given(case=result.ok().as_strategy())(ask)
        seed(SEED)(ONCE(asking))()

    assert found == []
    assert set(asked.values()) == {EXAMPLES}
    assert len(asked) >= 50
