"""The frames as TypeScript types, made from the AsyncAPI document.

The UI imports them as `frames.ts`. Laid out the way the UI's formatter wants.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

LINE_CHARACTERS = 110
# The browser has globals of these names, which an importing module could confuse with ours.
NAMES = {"Error": "ErrorFrame", "Event": "RoomEvent"}
PRIMITIVES = {
    "boolean": "boolean",
    "integer": "number",
    "null": "null",
    "number": "number",
    "string": "string",
}
HEAD = """\
/**
 * The frames of wire protocol v1, written by `manage.py asyncapi` from the types in chat/protocol.
 *
 * Unknown frames and unknown fields are ignored, so an older page goes on with a newer server.
 */
"""

Schema = dict[str, Any]


def text(document: dict[str, Any]) -> str:
    """The module as it is committed."""
    schemas = document["components"]["schemas"]
    operations = document["operations"].values()
    client, server = (
        [
            _target(message)
            for one in operations
            if one["action"] == action
            for message in one["messages"]
        ]
        for action in ("receive", "send")
    )
    parts = [
        HEAD,
        f"export const SUBPROTOCOL = {json.dumps(document['x-subprotocol'])};\n",
        _close_codes(document["x-close-codes"]),
        *(_declaration(name, schemas[name]) for name in _reachable([*client, *server], schemas)),
        _union("ClientFrame", [_name(frame) for frame in client]),
        _union("ServerFrame", [_name(frame) for frame in server]),
    ]
    return "\n".join(parts)


def _target(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def _name(schema: str) -> str:
    return NAMES.get(schema, schema)


def _reachable(frames: list[str], schemas: dict[str, Schema]) -> list[str]:
    """The frames and all their component types, each after its own components."""
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in found:
            for inner in _references(schemas[name]):
                visit(inner)
            found[name] = None

    for frame in frames:
        visit(frame)
    return list(found)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield _target(value)
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _close_codes(codes: dict[str, dict[str, Any]]) -> str:
    lines = ["/** Why the server ends a connection. */", "export const CLOSE = {"]
    for code, about in codes.items():
        lines += [*_comment(about["reason"], "\t"), f"\t{about['name']}: {code},"]
    return "\n".join([*lines, "} as const;", ""])


def _declaration(name: str, schema: Schema) -> str:
    lines = _comment(schema.get("description", ""))
    if "enum" in schema:
        return "\n".join([*lines, _union(_name(name), [*map(json.dumps, schema["enum"])])])
    lines.append(f"export interface {_name(name)} {{")
    for field, inner in schema["properties"].items():
        lines += _comment(inner.get("description", ""), "\t")
        optional = "" if field in schema["required"] else "?"
        lines.append(f"\t{field}{optional}: {_type(inner)};")
    return "\n".join([*lines, "}", ""])


def _comment(description: str, indent: str = "") -> list[str]:
    lines = inspect.cleandoc(description).splitlines()
    if len(lines) < 2:
        return [f"{indent}/** {line} */" for line in lines]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]


def _union(name: str, types: list[str]) -> str:
    line = f"export type {name} = {' | '.join(types)};"
    if len(line) > LINE_CHARACTERS:
        line = "\n".join([f"export type {name} =", *(f"\t| {one}" for one in types)]) + ";"
    return line + "\n"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return _name(_target(schema))
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(map(_type, schema["anyOf"]))
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema:
            return f"[{', '.join(map(_type, schema['prefixItems']))}]"
        return f"{_type(schema['items'])}[]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>"
    return PRIMITIVES[kind] if kind else "unknown"
