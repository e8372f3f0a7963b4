"""The AsyncAPI document against a real web process: frames that it allows, or not, and answers.

No frame that fits its schema is refused for its form (see `test_api_contract`). Every frame that
does not is refused for it, and leaves the connection usable; as the first one it ends it. Every
frame of the server fits its schema. Seeded and prolonged as the test of the OpenAPI document.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import given, seed
from jsonschema import Draft202012Validator, FormatChecker
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from chat.models import User
from chat.protocol import CloseCode, asyncapi
from localstack.web_process import WebProcess
from tests.support.chat_world import store
from tests.support.contract_values import IS_LONG, RUN, SEED, register_formats
from tests.support.rooms import new_person, new_room, post
from tests.support.web_process import ChatClient, Frame, web_process

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(3600 if IS_LONG else 180),
]

DOCUMENT = json.loads(asyncapi.text())
# Codes of refusals for the form.
FORM = {"bad_request", "unknown_type", "too_large", "empty"}
# Refused frames are counted: so many leave a connection as it is.
FRAMES_OF_A_CONNECTION = 30
FORMATS = FormatChecker(formats=())
FORMATS.checks("date-time", raises=ValueError)(
    lambda text: not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None
)


def names(operation: dict[str, Any]) -> list[str]:
    return [message["$ref"].rpartition("/")[2] for message in operation["messages"]]


# Frame of a client → its operation.
CLIENT = {
    names(operation)[0]: operation
    for operation in DOCUMENT["operations"].values()
    if operation["action"] == "receive"
}


def validator(name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema, format_checker=FORMATS)


# What stands in `t` → the frame of the server; and type → data of an event.
SERVER = {
    DOCUMENT["components"]["messages"][name]["name"]: (name, validator(name))
    for name in names(DOCUMENT["operations"]["push"])
}
EVENT_DATA = {
    kind: validator(schema["$ref"].rpartition("/")[2])
    for kind, schema in DOCUMENT["x-event-data"].items()
}


def drawn(mode: GenerationMode) -> list[tuple[str, Any]]:
    """Frames of each type, with the type's name: `POSITIVE` ones fit its schema, others do not.

    schemathesis draws requests. So each frame is the body of one.
    """
    paths = {
        f"/{name}": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}
                    },
                },
                "responses": {"200": {"description": "OK"}},
            }
        }
        for name in CLIENT
    }
    schema = schemathesis.openapi.from_dict(
        {
            "openapi": "3.1.0",
            "info": {"title": "frames", "version": "1"},
            "paths": paths,
            "components": {"schemas": DOCUMENT["components"]["schemas"]},
        }
    )
    found: list[tuple[str, Any]] = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()

        def note(case: schemathesis.Case[Any]) -> None:
            found.append((case.path[1:], case.body))

        seed(SEED)(RUN(given(case=operation.as_strategy(generation_mode=mode))(note)))()
    return found


@pytest.fixture(autouse=True, scope="module")
def known_formats() -> None:
    register_formats()


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebProcess]:
    log = tmp_path_factory.mktemp("web") / "server.log"
    with (
        django_db_blocker.unblock(),
        web_process(
            log,
            module="tests.support.server_without_limits",
            ASGI_SERVER=request.param,
            SENDS_PER_SECOND="1000",
            SENDS_BURST="1000",
        ) as process,
    ):
        yield process


async def a_world() -> tuple[User, dict[str, list[Any]]]:
    """Who sends the frames, and what there is to name in them."""
    anna, boris = await new_person("anna"), await new_person("boris")
    room = await new_room(anna, boris)
    seqs = [(await post(room, author, "message")).event.seq for author in (boris, anna, boris)]
    await store(room.pk)
    known: dict[str, list[Any]] = dict.fromkeys(("target", "reply_to"), seqs)
    known["room"] = [room.pk] * 4 + [10**9]
    return anna, known


def whole(value: Any) -> Any:
    """Whole numbers without a fraction, as frames have them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    if isinstance(value, dict):
        return {name: whole(inner) for name, inner in value.items()}
    return value


def in_json(value: Any) -> str:
    if isinstance(value, bytes):  # what is no JSON at all
        return value.decode(errors="replace")
    try:
        text = json.dumps(value, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(value)
    return text


def faults_of(frame: Frame) -> list[str]:
    """What is wrong with a frame of the server, by the document."""
    if frame.get("t") not in SERVER:
        return [f"unknown frame {frame}"]
    found = [f"{error.message} in {frame}" for error in SERVER[frame["t"]][1].iter_errors(frame)]
    for event in frame.get("events", []):
        if event["type"] not in EVENT_DATA:
            found.append(f"unknown event {event}")
        elif not event.get("redacted"):
            errors = EVENT_DATA[event["type"]].iter_errors(event["data"])
            found += [f"{error.message} in {event}" for error in errors]
    return found


class Judged:
    """A connection whose every received frame is compared with the document."""

    def __init__(self, client: ChatClient) -> None:
        self.client = client
        self.faults: list[str] = []

    async def answer(self, text: str, name: str | None) -> Frame | None:
        """The answer to a frame of that id; or, before that of a ping, to one without id."""
        await self.client.connection.send(text)
        await self.client.connection.send('{"t":"ping"}')
        found: Frame | None = None
        pongs = 1 + (text == '{"t": "ping"}')
        while pongs or (name is not None and found is None):
            frame = await self.client.wait_for(lambda _: True)
            self.faults += faults_of(frame)
            pongs -= frame["t"] == "pong"
            if "id" in frame and frame["id"] in (name, None):
                found = frame
        return found

    async def close(self) -> None:
        for room, events in self.client.events.items():
            self.faults += faults_of({"t": "events", "f": 1, "room": room, "events": events})
        await self.client.connection.close()


async def answers(
    server: WebProcess, person: User, frames: list[tuple[str, Any]]
) -> tuple[list[tuple[str, Any, Frame | None]], list[str]]:
    """Each frame with what was answered; and what is wrong with all that the server sent."""
    found: list[tuple[str, Any, Frame | None]] = []
    faults: list[str] = []
    for start in range(0, len(frames), FRAMES_OF_A_CONNECTION):
        connection = Judged(await ChatClient.hello(server, person))
        for name, frame in frames[start : start + FRAMES_OF_A_CONNECTION]:
            given_id = frame.get("id") if isinstance(frame, dict) else None
            answer = await connection.answer(
                in_json(frame), given_id if isinstance(given_id, str) else None
            )
            found.append((name, frame, answer))
        await connection.close()
        faults += connection.faults
    return found, faults


async def test_frames_that_fit_their_schemas_are_not_refused_for_their_form(
    server: WebProcess,
) -> None:
    person, known = await a_world()
    frames = [(name, whole(frame)) for name, frame in drawn(GenerationMode.POSITIVE)]
    for turn, (_, frame) in enumerate(frames):
        frame |= {field: known[field][turn % len(known[field])] for field in known.keys() & frame}

    answered, faults = await answers(server, person, frames)

    kinds: Counter[str] = Counter()
    for name, frame, answer in answered:
        if answer is None:
            continue
        kinds[answer["t"]] += 1
        if SERVER[answer["t"]][0] not in names(CLIENT[name]["reply"]):
            faults.append(f"{frame} is answered by {answer}")
        if answer.get("code") in FORM and answer.get("rule") not in CLIENT[name].get("x-rules", {}):
            faults.append(f"{frame} is refused by {answer}")
    assert faults == [], f"seed {SEED}"
    assert {name for name, _, _ in answered} == CLIENT.keys()
    assert kinds.keys() == {"ok", "batch", "page", "error"}


async def test_frames_that_break_their_schemas_are_refused_for_it(server: WebProcess) -> None:
    person, _ = await a_world()

    answered, faults = await answers(server, person, drawn(GenerationMode.NEGATIVE))

    faults += [
        f"{name} {in_json(frame)[:1_000]} is answered by {answer}"
        for name, frame, answer in answered
        if answer is None or answer.get("code") not in FORM
    ]
    assert faults == [], f"seed {SEED}"
    assert {name for name, _, _ in answered} == CLIENT.keys()


async def test_first_frames_that_are_no_hello_end_the_connection(server: WebProcess) -> None:
    person, _ = await a_world()
    found: list[str] = []

    for name, frame in drawn(GenerationMode.NEGATIVE):
        if name != "Hello":
            continue
        client = await ChatClient.open(server, person)
        await client.connection.send(in_json(frame))
        code = await client.close_code()
        if code != CloseCode.PROTOCOL_VIOLATION or client.frames:
            found.append(f"{frame} is answered by {code}, {client.frames}")

    assert found == [], f"seed {SEED}"


async def test_hellos_that_fit_the_schema_are_welcomed(server: WebProcess) -> None:
    person, _ = await a_world()
    found: list[str] = []

    for name, frame in drawn(GenerationMode.POSITIVE):
        if name == "Hello":
            connection = Judged(await ChatClient.open(server, person))
            await connection.client.connection.send(in_json(whole(frame)))
            welcome = await connection.client.receive("welcome")
            found += faults_of(welcome)
            await connection.answer('{"t":"ping"}', None)
            await connection.close()
            found += connection.faults

    assert found == [], f"seed {SEED}"
