"""Requests that no budget pays for are refused in front of Django, by whose they are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core import signing

from chat.accounts import known_devices
from chat.middleware import unpaid_requests
from chat.middleware.asgi import Message, Receive, Scope, Send
from chat.middleware.unpaid_requests import (
    ACCOUNT,
    MAX_CREDENTIALS,
    PERSON_BURST,
    PERSON_PER_SECOND,
    STRANGERS_BURST,
    UnpaidRequests,
)
from tests.unit.resilience.test_rate_limit import FakeClock

ANNA = {"authorization": "Bearer veche_anna"}
BORIS = {"authorization": "Bearer veche_boris"}
WRONG = {"authorization": "Bearer veche_wrong"}


@dataclass
class Api:
    """Stands for Django: knows two people by their tokens, and has a budget that pays or not."""

    people: dict[str, int] = field(default_factory=lambda: {"veche_anna": 1, "veche_boris": 2})
    pays: bool = True
    away: bool = False
    asked: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        account = scope.get(ACCOUNT)
        headers = {name: value.decode() for name, value in scope["headers"]}
        person = self.people.get(headers.get(b"authorization", "").partition(" ")[2])
        status = 401 if person is None else 200 if self.pays else 429
        if account is not None:
            account.person = person
            account.paid = status == 200
        status = 503 if self.away else status
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.api = Api()
        self.front = UnpaidRequests(self.api, self.clock)
        self.sent: list[Message] = []

    async def ask(
        self,
        headers: dict[str, str],
        method: str = "GET",
        path: str = "/api/v1/rooms",
        address: str | None = "192.0.2.1",
    ) -> int:
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": None if address is None else (address, 1234),
        }
        self.sent = []

        async def receive() -> Message:
            raise AssertionError("nobody reads the body")

        async def send(message: Message) -> None:
            self.sent.append(message)

        await self.front(scope, receive, send)
        return int(self.sent[0]["status"])

    async def asked_of(self, times: float, *args: Any, **options: Any) -> int:
        """How many of the requests reached the API."""
        before = self.api.asked
        for _ in range(int(times)):
            await self.ask(*args, **options)
        return self.api.asked - before


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(unpaid_requests, "HELD_SECONDS", 0.0)
    return World()


async def test_who_goes_on_after_refusals_is_refused_without_being_looked_up(world: World) -> None:
    await world.ask(ANNA)
    world.api.pays = False

    assert await world.asked_of(PERSON_BURST * 3, ANNA) == PERSON_BURST
    assert world.sent[0]["status"] == 429
    headers = dict(world.sent[0]["headers"])
    problem = json.loads(world.sent[1]["body"])
    assert headers[b"content-type"] == b"application/problem+json"
    assert int(headers[b"retry-after"]) >= problem["retry_after"] >= 1.0
    assert (problem["status"], problem["code"]) == (429, "rate_limited")
    assert problem["type"] == "urn:veche:problem:rate_limited"
    assert headers[b"x-request-id"]

    world.clock.now += 1.0
    assert await world.asked_of(PERSON_BURST, ANNA) == PERSON_PER_SECOND


async def test_what_a_budget_pays_for_costs_nothing_here(world: World) -> None:
    assert await world.asked_of(STRANGERS_BURST * 2, ANNA) == STRANGERS_BURST * 2


async def test_other_people_and_what_writes_have_budgets_of_their_own(world: World) -> None:
    for person in (ANNA, BORIS):
        await world.ask(person)
    world.api.pays = False
    await world.asked_of(PERSON_BURST * 2, ANNA)
    world.api.pays = True

    assert await world.asked_of(5, BORIS) == 5
    assert await world.asked_of(5, ANNA, "POST") == 5
    assert await world.asked_of(5, ANNA, "HEAD") == 0


async def test_strangers_are_refused_by_address_and_known_people_behind_it_are_not(
    world: World,
) -> None:
    await world.ask(ANNA)

    each = [
        await world.asked_of(1, {"authorization": f"Bearer veche_{number}"})
        for number in range(int(STRANGERS_BURST * 2))
    ]

    assert sum(each) == STRANGERS_BURST
    assert await world.asked_of(1, {}) == 0
    assert await world.asked_of(5, ANNA) == 5
    assert await world.asked_of(1, WRONG, address="192.0.2.2") == 1
    assert await world.asked_of(1, WRONG, address=None) == 1


async def test_customer_of_ipv6_has_one_budget_for_all_their_addresses(world: World) -> None:
    await world.asked_of(STRANGERS_BURST, WRONG, address="2001:db8:0:1::1")

    assert await world.asked_of(1, WRONG, address="2001:db8:0:1:ffff::2") == 0
    assert await world.asked_of(1, WRONG, address="2001:db8:0:2::1") == 1


async def test_browser_that_somebody_signed_in_with_is_not_held_up_by_strangers(
    world: World,
) -> None:
    entry = known_devices.Entry(1, "number", "mark")
    cookie = signing.dumps([entry], salt=known_devices.SALT)
    await world.asked_of(STRANGERS_BURST, WRONG)

    assert await world.asked_of(1, {"cookie": f"{known_devices.COOKIE}={cookie}"}) == 1
    assert await world.asked_of(1, {"cookie": f"{known_devices.COOKIE}={cookie}x"}) == 0


async def test_token_that_was_revoked_does_not_use_up_what_its_owner_has(world: World) -> None:
    world.api.people["veche_old"] = 1
    old = {"authorization": "Bearer veche_old"}
    await world.ask(ANNA)
    await world.ask(old)
    del world.api.people["veche_old"]

    await world.asked_of(PERSON_BURST * 2, old)

    assert await world.asked_of(1, ANNA) == 1


async def test_outage_is_nobodys_fault(world: World) -> None:
    world.api.away = True

    assert await world.asked_of(STRANGERS_BURST * 2, WRONG) == STRANGERS_BURST * 2


async def test_other_pages_are_not_looked_at(world: World) -> None:
    assert await world.asked_of(STRANGERS_BURST * 2, {}, path="/accounts/login/") == (
        STRANGERS_BURST * 2
    )


async def test_spelling_of_a_header_does_not_make_another_credential(world: World) -> None:
    await world.ask(ANNA)
    world.api.pays = False
    await world.asked_of(PERSON_BURST, ANNA)

    assert await world.asked_of(1, {"authorization": "bearer  veche_anna "}) == 0


async def test_so_many_credentials_are_remembered(world: World) -> None:
    world.api.people |= {f"veche_{number}": number for number in range(MAX_CREDENTIALS + 10)}

    for number in range(MAX_CREDENTIALS + 10):
        await world.ask({"authorization": f"Bearer veche_{number}"})

    assert len(world.front._known) == MAX_CREDENTIALS


async def test_who_goes_away_before_the_answer_pays_as_well(world: World) -> None:
    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        world.api.asked += 1
        scope[ACCOUNT].person = 1
        raise TimeoutError

    world.front._inner = hangs
    asked = 0
    for _ in range(int(STRANGERS_BURST + PERSON_BURST) * 2):
        try:
            await world.ask(ANNA)
        except TimeoutError:
            asked += 1

    assert asked == PERSON_BURST + 1
