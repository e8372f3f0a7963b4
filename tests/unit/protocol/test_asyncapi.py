from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from chat.protocol import AnyClientFrame, AnyServerFrame, CloseCode, asyncapi, typescript

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "docs" / "asyncapi.json"
FRAMES = ROOT / "chat" / "ui" / "src" / "lib" / "client" / "frames.ts"


def references(value: Any) -> set[str]:
    """Every `$ref` and discriminator target in a document."""
    if isinstance(value, dict):
        here = {value["$ref"]} if "$ref" in value else set()
        return here.union(*(references(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*map(references, value))
    return set()


def look_up(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


def test_committed_document_is_the_one_that_the_types_give() -> None:
    assert COMMITTED.read_text() == asyncapi.text(), "run `manage.py asyncapi` and commit"


def test_types_of_the_ui_are_those_that_the_document_gives() -> None:
    document = json.loads(COMMITTED.read_text())

    assert FRAMES.read_text() == typescript.text(document), "run `manage.py asyncapi` and commit"


def test_every_frame_is_in_the_document_and_every_reference_leads_somewhere() -> None:
    document = json.loads(asyncapi.text())

    frames = {frame.__name__ for frame in [*get_args(AnyClientFrame), *get_args(AnyServerFrame)]}
    assert set(document["components"]["messages"]) == frames
    assert set(document["x-close-codes"]) == {str(int(code)) for code in CloseCode}
    for reference in references(document):
        assert look_up(document, reference)
