"""The documents say what the code says: links lead somewhere, names exist, examples are frames."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from chat import dead_letters, protocol
from chat.protocol import AnyClientFrame, AnyServerFrame, CloseCode, ErrorCode, parse_frame
from chat.protocol.rules import UUID7, RefusedFrame
from chat.room_log import keys
from chatsite.env import BASE_DIR, Env

OURS = [*BASE_DIR.glob("*.md"), *(BASE_DIR / "docs").rglob("*.md")]
DECISIONS = sorted((BASE_DIR / "docs" / "decisions").glob("[0-9]*.md"))

FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
# Markdown links, and the pictures that are written in HTML.
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
# A variable has an underscore, or a value: PORT=8123. Constants are written with their module.
VARIABLE = re.compile(r"(?<![\w.])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z][A-Z0-9]+(?==))(?![\w(/])")
FILE = re.compile(r"(?:analytics|bench|chat|chatsite|deploy|docs|localstack|tests)/[\w./-]+")
FILE_NAME = re.compile(r"[\w./-]*\w\.(?:html|json|lua|md|po|py|svelte|ts|yml)")
SHARD_KEY = re.compile(r"veche:\{s\}:([\w<>:]+)")
JSON_BLOCK = re.compile(r"^```json\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SECTIONS = ["Context", "Decision", "Consequences", "Rejected alternatives"]


def name(document: Path) -> str:
    return str(document.relative_to(BASE_DIR))


def anchors(document: Path) -> set[str]:
    """The fragments by which headings of a page are reached."""
    titles = HEADING.findall(document.read_text())
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def code_in(document: Path) -> Iterator[str]:
    yield from CODE.findall(FENCED.sub("", document.read_text()))


@pytest.mark.parametrize("document", OURS, ids=name)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    found = ["".join(groups) for groups in LINK.findall(document.read_text())]
    links = [link for link in found if "://" not in link]
    broken = []
    for link in links:
        path, _, fragment = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(str(target.relative_to(BASE_DIR)))

    assert broken == []


@pytest.mark.parametrize("document", OURS, ids=name)
def test_every_variable_that_is_named_is_a_setting(document: Path) -> None:
    settings = {field.name.upper() for field in dataclasses.fields(Env)}
    named = {found for code in code_in(document) for found in VARIABLE.findall(code)}

    of_make = set(re.findall(r"\b[A-Z_]+\b", (BASE_DIR / "Makefile").read_text()))
    compose = (BASE_DIR / "docker-compose.yml").read_text()
    known = settings | of_make | set(re.findall(r"\$\{([A-Z_]+)", compose))
    unknown = {one for one in named - known if one.removesuffix("_FILE") not in known}
    assert unknown == set()


@pytest.mark.parametrize("document", OURS, ids=name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    named = {code for code in code_in(document) if re.fullmatch(r"test_\w+", code)}
    source = "\n".join(path.read_text() for path in (BASE_DIR / "tests").rglob("test_*.py"))

    assert {test for test in named if f"def {test}(" not in source} == set()


def test_keys_of_the_log_server_are_those_that_their_modules_list() -> None:
    listed = set(re.findall(r"^\| `([^`]+)` \|", str(keys.__doc__), re.MULTILINE))
    architecture = (BASE_DIR / "docs" / "architecture.md").read_text()

    assert set(SHARD_KEY.findall(architecture)) == listed
    assert f"`{dead_letters.STREAM}`" in architecture
    for document in OURS:
        assert set(SHARD_KEY.findall(document.read_text())) <= listed


def test_examples_of_the_protocol_are_frames() -> None:
    text = (BASE_DIR / "docs" / "protocol.md").read_text()
    examples = [line for block in JSON_BLOCK.findall(text) for line in block.splitlines()]

    shown = {type(frame_of(example)) for example in examples}

    assert shown == {*get_args(AnyServerFrame), *get_args(AnyClientFrame)}


def frame_of(example: str) -> AnyClientFrame | AnyServerFrame:
    """The frame that a line of the guide shows; fields that it does not have are an error."""
    try:
        frame = parse_frame(example)
    except RefusedFrame:
        server_frame: AnyServerFrame = msgspec.json.decode(example, type=AnyServerFrame)
        unknown = json.loads(example).keys() - json.loads(protocol.encode(server_frame)).keys()
        assert unknown == set(), example
        return server_frame
    key = getattr(frame, "key", None)
    assert key is None or UUID7.fullmatch(key), example
    return frame


def test_guide_to_the_protocol_explains_every_error_and_close_code() -> None:
    text = (BASE_DIR / "docs" / "protocol.md").read_text()
    explained = set(CODE.findall(text))

    assert {code.value for code in ErrorCode} - explained == set()
    assert [code for code in CloseCode if f"| {int(code)} |" not in text] == []


@pytest.mark.parametrize("record", DECISIONS, ids=name)
def test_decision_record_has_its_parts(record: Path) -> None:
    text = record.read_text()

    assert text.startswith(f"# {record.name[:4]} ")
    assert re.search(r"^Status: \w+", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS


def test_decision_records_are_numbered_without_a_gap() -> None:
    assert [int(record.name[:4]) for record in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_index_of_the_decisions_names_each_by_its_title() -> None:
    index = (BASE_DIR / "docs" / "decisions" / "README.md").read_text()
    titles = {record.name: record.read_text().partition("\n")[0][2:] for record in DECISIONS}

    assert [name for name, title in titles.items() if f"- [{title}]({name})" not in index] == []


def test_map_of_the_code_shows_every_street() -> None:
    shown = set(CODE.findall((BASE_DIR / "docs" / "code.md").read_text()))
    chat = BASE_DIR / "chat"
    folders = {f"{path.name}/" for path in chat.iterdir() if path.is_dir()} - {"__pycache__/"}
    modules = {path.name for path in chat.glob("*.py")} - {"__init__.py"}

    assert folders | modules <= shown


def test_what_to_touch_for_a_change_is_named_by_its_path() -> None:
    text = (BASE_DIR / "docs" / "code.md").read_text()
    _, _, how_to_add = text.partition("## How to add")
    named = {code for code in CODE.findall(how_to_add) if FILE_NAME.fullmatch(code)}

    assert len(named) > 50
    assert {one for one in named if not (BASE_DIR / one).is_file()} == set()


@pytest.mark.parametrize("document", [one for one in OURS if one not in DECISIONS], ids=name)
def test_every_file_that_is_named_exists(document: Path) -> None:
    named = {code for code in code_in(document) if FILE.fullmatch(code)}

    assert {one for one in named if not (BASE_DIR / one).exists()} == set()
