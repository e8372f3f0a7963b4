"""The AsyncAPI 3 document of the wire protocol, made from the frame types."""

from __future__ import annotations

import inspect
import json
from typing import Any, get_args

import msgspec

from chat.broken_rules import SENTENCES, Rule
from chat.events import DATA_TYPES
from chat.protocol import (
    MAX_FRAME_BYTES,
    STOP_CODES,
    SUBPROTOCOL,
    TICKET_SUBPROTOCOL_PREFIX,
    AnyClientFrame,
    AnyServerFrame,
    Batch,
    Bye,
    CloseCode,
    Delete,
    Edit,
    Error,
    ErrorCode,
    Hello,
    History,
    Ok,
    Page,
    Ping,
    Pong,
    React,
    Read,
    Reply,
    Seen,
    Send,
    Sync,
    Thread,
    ThreadPage,
    ThreadRead,
    Typing,
    Welcome,
)

ADDRESS = "/ws/chat/"
Frame = type[msgspec.Struct]
ANSWERS: dict[Frame, list[Frame]] = {
    Hello: [Welcome, Bye, Error],
    Send: [Ok, Error],
    Reply: [Ok, Error],
    Edit: [Ok, Error],
    Delete: [Ok, Error],
    React: [Ok, Error],
    Sync: [Batch, Error],
    History: [Page, Error],
    Thread: [ThreadPage, Error],
    Read: [Error],
    ThreadRead: [Error],
    Typing: [Error],
    Seen: [Error],
    Ping: [Pong, Error],
}
# Why a frame that fits its schema may still be refused as `bad_request`, `too_large` or `empty`.
KEYED = [Rule.KEY_NOT_OF_THE_FUTURE]
RULES: dict[Frame, list[Rule]] = {
    Hello: [Rule.ONE_HELLO],
    Send: [*KEYED, Rule.KNOWN_CHARACTERS],
    Reply: [*KEYED, Rule.KNOWN_CHARACTERS],
    Edit: [*KEYED, Rule.KNOWN_CHARACTERS],
    Delete: [*KEYED, Rule.KEY_OF_AN_ACT_IS_RECENT],  # for another person's message, by a moderator
    React: [*KEYED, Rule.ONE_EMOJI],
    Seen: [Rule.SEEN_WAS_SENT],
}
CLOSE_REASONS = {
    CloseCode.RESTARTING: "The server is restarting; come back after the delay that `bye` named.",
    CloseCode.PROTOCOL_VIOLATION: "The client broke the protocol.",
    CloseCode.NOT_SIGNED_IN: "No session and no valid ticket.",
    CloseCode.REVOKED: "Signed out elsewhere, password changed, account or token withdrawn.",
    CloseCode.SLOW_READER: "Too much was left unconfirmed; come back and resume.",
    CloseCode.TOO_MANY: "Too many connections or frames; come back later.",
}
DESCRIPTION = (
    "One JSON object in each text message, its type in `t`. The first frame of a client is "
    "`hello`. Unknown fields and types of client frames are refused; clients ignore server frames "
    f"that they do not know. A client frame has at most {MAX_FRAME_BYTES:,} bytes, no name twice, "
    "and integers without a fraction or an exponent. A frame that breaks its schema gets an "
    "`error`; if it is the first one, or the first one is not `hello`, the connection is closed "
    f"with {int(CloseCode.PROTOCOL_VIOLATION)}. Connect with the subprotocol `{SUBPROTOCOL}` and a "
    "session cookie from an allowed origin; or offer a ticket from `POST /api/v1/tickets` too, as "
    f"the subprotocol `{TICKET_SUBPROTOCOL_PREFIX}<value>`."
)


def document() -> dict[str, Any]:
    """The whole document, with its parts always in the same order."""
    client, server = get_args(AnyClientFrame), get_args(AnyServerFrame)
    data_types = list(dict.fromkeys(DATA_TYPES.values()))
    _, schemas = msgspec.json.schema_components(
        [*client, *server, *data_types], ref_template="#/components/schemas/{name}"
    )
    frames = [*client, *server]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Veche wire protocol",
            "version": "1",
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "chat": {
                "address": ADDRESS,
                "messages": {name(frame): ref(f"messages/{name(frame)}") for frame in frames},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            **{f"receive_{tag(frame)}": _received(frame) for frame in client},
            "push": {
                "action": "send",
                "channel": {"$ref": "#/channels/chat"},
                "summary": "What the server sends, as an answer or by itself.",
                "messages": [in_channel(frame) for frame in server],
            },
        },
        "components": {
            "messages": {name(frame): _message(frame) for frame in frames},
            "schemas": {name: schemas[name] for name in sorted(schemas)},
        },
        "x-event-data": {
            kind: ref(f"schemas/{data.__name__}") for kind, data in DATA_TYPES.items()
        },
        "x-subprotocol": SUBPROTOCOL,
        "x-error-codes": [str(code) for code in ErrorCode],
        "x-close-codes": {
            str(int(code)): {
                "name": code.name.lower(),
                "reason": CLOSE_REASONS[code],
                "reconnect": code not in STOP_CODES,
            }
            for code in CloseCode
        },
    }


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def tag(frame: Frame) -> str:
    """The value of `t`; the two `typing` frames share one."""
    return str(frame.__struct_config__.tag)


def name(frame: Frame) -> str:
    return frame.__name__


def ref(component: str) -> dict[str, str]:
    return {"$ref": f"#/components/{component}"}


def in_channel(frame: Frame) -> dict[str, str]:
    return {"$ref": f"#/channels/chat/messages/{name(frame)}"}


def _message(frame: Frame) -> dict[str, Any]:
    message: dict[str, Any] = {"name": tag(frame), "payload": ref(f"schemas/{frame.__name__}")}
    # Only the class's own docstring; `inspect.getdoc` would fall back to a base class's.
    if frame.__dict__.get("__doc__"):
        message["summary"] = inspect.cleandoc(str(frame.__doc__))
    return message


def _received(frame: Frame) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": "receive",
        "channel": {"$ref": "#/channels/chat"},
        "messages": [in_channel(frame)],
    }
    operation["reply"] = {
        "channel": {"$ref": "#/channels/chat"},
        "messages": [in_channel(answer) for answer in ANSWERS[frame]],
    }
    if frame in RULES:
        operation["x-rules"] = {str(rule): SENTENCES[rule] for rule in RULES[frame]}
    return operation
