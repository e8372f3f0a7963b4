"""The OpenAPI document against a real web process: requests that it allows, generated, and answers.

Each answer is as documented, and no request that the document allows is refused for its form: what
a schema cannot tell is a rule that the operation names (`x-rules`), and the refusal too (`rule`).
All else that may stand in the way is state: what there is, who one is, what was before.

Seeded, so that it fails for what has changed and for nothing else. CONTRACT_EXAMPLES (3) is how
often each operation is asked; with more, another seed each time (`make contract`). Nothing is
asked of the limits: they are out of the way.
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
from hypothesis import given, seed
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)

from chat.accounts import tokens
from chat.actions.reports import report_message
from chat.models import User
from localstack.web_process import WebProcess
from tests.support.chat_world import store
from tests.support.contract_values import EXAMPLES, IS_LONG, RUN, SEED, register_formats
from tests.support.rooms import new_person, new_room, post
from tests.support.web_process import web_process

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(3600 if IS_LONG else 180),
]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# What there is, who one is, what was before.
STATE = ["2xx", "403", "404", "409", "429"]
# These leave less to ask about.
LAST = ("archive", "leave", "remove", "set_role", "ban")
# Parameters of which the other ones are to be left out: the document says so in words.
ALTERNATIVES = [({"ids"}, {"q"}), ({"period"}, {"from", "to"})]


@pytest.fixture(autouse=True, scope="module")
def known_formats() -> None:
    register_formats()


def servers_and_people() -> list[tuple[str, str]]:
    """Both servers and both people; each with each where there is time."""
    if IS_LONG:
        return [(server, who) for server in ("daphne", "uvicorn") for who in ("owner", "member")]
    return [("daphne", "owner"), ("uvicorn", "member")]


@pytest.fixture(params=servers_and_people(), ids="-".join)
def asked(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[tuple[WebProcess, str]]:
    """A server, and who asks it: `owner`, who is staff as well, or `member`."""
    server, who = request.param
    with web_process(
        tmp_path / "server.log",
        module="tests.support.server_without_limits",
        ASGI_SERVER=server,
        STAFF_MFA="0",
    ) as process:
        yield process, who


@async_to_sync
async def a_world(who: str) -> tuple[dict[str, list[int]], str]:
    """What there is to ask about, by the names of fields and parameters, and a token of who asks.

    A room with some history, messages of oneself and of another person in it, and a report.
    """
    anna, boris = await new_person("anna"), await new_person("boris")
    await User.objects.filter(pk=anna.pk).aupdate(is_superuser=True, is_staff=True)
    room = await new_room(anna, boris)
    me, other = (anna, boris) if who == "owner" else (boris, anna)
    posted = [await post(room, author, "message") for author in (other, other, me)]
    await store(room.pk)
    seqs = [appended.event.seq for appended in posted]
    report = await report_message(anna.pk, room.pk, seqs[0 if who == "owner" else 2], "spam")
    _, token = await sync_to_async(tokens.issue)(me.pk, "test")
    rooms, people = [room.pk] * 4 + [10**9], [other.pk, other.pk, 10**9]
    known = dict.fromkeys(("room", "room_id"), rooms)
    known |= dict.fromkeys(("user", "user_id"), people)
    known |= dict.fromkeys(("seq", "reply_to", "root"), seqs)
    known |= {"report_id": [report.pk, report.pk, 10**9]}
    known |= {"token_id": [10**9]}  # not the one that asks
    return known, token


def document_of(server: WebProcess) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/openapi.json") as answer:
        document: dict[str, Any] = json.load(answer)
    return document


def breaks_a_rule(case: schemathesis.Case[Any], response: schemathesis.Response) -> bool:
    """Whether the answer names a rule, which the operation names, too."""
    if response.status_code not in (400, 413):
        return False
    return response.json().get("rule") in case.operation.definition.raw.get("x-rules", {})


def test_requests_and_answers_are_as_documented(asked: tuple[WebProcess, str]) -> None:
    server, who = asked
    known, token = a_world(who)
    schema = schemathesis.openapi.from_dict(document_of(server))
    schema.config.update(base_url=f"http://127.0.0.1:{server.port}")
    schema.config.checks.positive_data_acceptance.expected_statuses = STATE
    answers: dict[str, Counter[int]] = {}
    found: list[str] = []

    def ask(case: schemathesis.Case[Any]) -> None:
        name = f"{case.operation.method} {case.operation.path}"
        so_far = answers.setdefault(name, Counter())
        turn = so_far.total()
        body = case.body if isinstance(case.body, dict) else {}
        for place in (case.path_parameters, case.query, body):
            for parameter in known.keys() & place.keys():
                values = known[parameter]
                place[parameter] = values[turn % len(values)]
        for one, other in ALTERNATIVES:
            if one & case.query.keys() and other & case.query.keys():
                for parameter in (one, other)[turn % 2]:
                    case.query.pop(parameter, None)
        response = case.call(headers={"Authorization": f"Bearer {token}"}, timeout=30)
        so_far[response.status_code] += 1
        form = [] if breaks_a_rule(case, response) else [positive_data_acceptance]
        try:
            case.validate_response(response, checks=[*CHECKS, *form])
        except FailureGroup as failures:
            about = f"{name} {case.query} {case.body!r} -> {response.status_code} {response.text}"
            found.extend(f"{failure.title}: {about[:2_000]}" for failure in failures.exceptions)

    operations = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operations.append(result.ok())
    operations.sort(key=lambda one: one.definition.raw["operationId"].endswith(LAST))
    for operation in operations:
        asking = given(case=operation.as_strategy())(ask)
        seed(SEED)(RUN(asking))()

    assert found == [], f"seed {SEED}"
    assert {so_far.total() for so_far in answers.values()} == {EXAMPLES}
    assert len(answers) >= 50
