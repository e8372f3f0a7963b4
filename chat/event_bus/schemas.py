"""JSON Schema of everything that is on the event bus, generated from the types.

docs/events/ holds one file for the data of each event type and version, and one for the envelope.
Consumers build on them, so a file only ever grows: a field may be added when it may be absent,
an enumeration may get more values, and the format that a text has always had may be added. Anything
else needs a new version of the event type (`chat.events.envelope.VERSIONS`); the old file stays
beside the new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from chat.events import DATA_TYPES
from chat.events.envelope import SCHEMA_NAMES, TYPE_NAMES, Envelope

Schema = Mapping[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SUFFIX = ".schema.json"
ENVELOPE_FILE = f"envelope.v1{SUFFIX}"
# They say nothing about which documents are valid.
REMARKS = {"title", "description", "default", "$defs", "$schema", "$id"}


def files() -> dict[str, str]:
    """File name → text of all schemas as the types are now."""
    schemas: dict[str, dict[str, Any]] = {ENVELOPE_FILE: _envelope()}
    for kind, data_type in DATA_TYPES.items():
        schemas[f"{TYPE_NAMES[kind]}{SUFFIX}"] = {
            "$schema": DIALECT,
            "$id": SCHEMA_NAMES[kind],
            **_inlined(data_type),
            "title": TYPE_NAMES[kind],
        }
    return {
        name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def _envelope() -> dict[str, Any]:
    schema = {
        "$schema": DIALECT,
        "$id": "urn:veche:schema:envelope.v1",
        **_inlined(Envelope),
        "title": "chat.events.v1",
    }
    # Not an enumeration: that would lose a name with each new version of an event type.
    name_of_type = r"chat\.[a-z]+\.[a-z]+\.v[0-9]+$"
    schema["properties"]["type"]["pattern"] = f"^{name_of_type}"
    schema["properties"]["dataschema"]["pattern"] = f"^urn:veche:schema:{name_of_type}"
    # An attribute that has no value is absent; null never stands for it.
    for name in ("key", "actor", "traceparent"):
        [schema["properties"][name]] = [
            choice for choice in schema["properties"][name]["anyOf"] if choice != {"type": "null"}
        ]
    return schema


def _inlined(data_type: Any) -> dict[str, Any]:
    """The schema of a type with its own definition at the top instead of a reference to it."""
    schema = msgspec.json.schema(data_type)
    definitions = dict(schema["$defs"])
    found: dict[str, Any] = definitions.pop(schema["$ref"].rpartition("/")[2])
    return {**found, "$defs": definitions} if definitions else found


def incompatible(old: Schema, new: Schema) -> list[str]:
    """What in `new` could break a reader written for `old`, one sentence each; [] is fine."""
    return list(_differences(old, new, old, new, "data"))


def _differences(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str
) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    old_rules, new_rules = _rules(old), _rules(new)
    if "format" not in old_rules:
        new_rules.pop("format", None)
    if old_rules.keys() != new_rules.keys():
        yield f"{place} has another type."
        return
    for rule, before in old_rules.items():
        after = new_rules[rule]
        if rule == "properties":
            for name, schema in before.items():
                if name in after:
                    inside = f"{place}.{name}"
                    yield from _differences(schema, after[name], old_root, new_root, inside)
                else:
                    yield f"{place}.{name} was removed."
        elif rule == "required":
            yield from (
                f"{place}.{name} is newly required." for name in after if name not in before
            )
            yield from (
                f"{place}.{name} may be absent now." for name in before if name not in after
            )
        elif rule == "enum":
            yield from (
                f"{place} cannot be {one!r} any more." for one in before if one not in after
            )
        elif rule in {"anyOf", "prefixItems"} and len(before) == len(after):
            for one, other in zip(before, after, strict=True):
                yield from _differences(one, other, old_root, new_root, place)
        elif rule == "items" and isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _differences(before, after, old_root, new_root, f"{place}[]")
        elif before != after:
            yield f"{place} has another type."


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        found: Schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = found
    return schema


def _rules(schema: Schema) -> dict[str, Any]:
    rules = {rule: value for rule, value in schema.items() if rule not in REMARKS}
    if "properties" in rules:
        rules.setdefault("required", [])
    return rules
