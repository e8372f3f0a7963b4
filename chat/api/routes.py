"""Puts all operations of the API together."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from ninja import NinjaAPI, Router
from ninja.constants import NOT_SET
from ninja.openapi.schema import OpenAPISchema

from chat.api import (
    mentions,
    messages,
    moderation,
    people,
    read_markers,
    reports,
    room_arrangement,
    rooms,
    threads,
    tokens,
)
from chat.api.answers import handle_errors
from chat.api.forms import breaks
from chat.api.requests import BY_METHOD, MODERATING, READS, StrictJson, in_turn
from chat.broken_rules import Rule

# Problems that any operation may answer with, because the layers in front of it do.
PROBLEMS = (400, 401, 403, 404, 405, 413, 429, 503)
OF_LABELS = (Rule.KNOWN_CHARACTERS, Rule.LENGTH_IN_NORMAL_FORM, Rule.MORE_THAN_MARKS)
PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}


def _complete(operation: dict[str, Any]) -> None:
    """Adds to an operation what ninja cannot know: the types of answers that are not JSON."""
    for parameter in operation["parameters"]:
        _cannot_be_null(parameter)
    responses = operation["responses"]
    for status in {*PROBLEMS, *(status for status in responses if int(status) >= 400)}:
        about = responses.setdefault(status, {"description": HTTPStatus(status).phrase})
        about["content"] = {"application/problem+json": PROBLEM}
    if any(parameter["name"] == "format" for parameter in operation["parameters"]):
        responses[200]["content"]["text/csv"] = {"schema": {"type": "string"}}
    _name_rules(operation)


def _cannot_be_null(parameter: dict[str, Any]) -> None:
    """Removes null: an optional parameter of the URL or headers is left out, never null."""
    schema = parameter["schema"]
    forms = [form for form in schema.pop("anyOf", []) if form != {"type": "null"}]
    if len(forms) == 1:
        parameter["schema"] = {**forms[0], **schema}
    elif forms:
        schema["anyOf"] = forms


def _name_rules(operation: dict[str, Any]) -> None:
    """Names the rules of an operation that no schema states (see `chat.broken_rules`)."""
    names = {parameter["name"] for parameter in operation["parameters"]}
    rules: dict[str, str] = dict(operation.get("x-rules", {}))
    if "requestBody" in operation or "q" in names:
        rules |= breaks(*OF_LABELS)["x-rules"]
    if "Idempotency-Key" in names:
        rules |= breaks(Rule.KEY_NOT_OF_THE_FUTURE)["x-rules"]
    if rules:
        operation["x-rules"] = rules
        about = operation["responses"][400]
        about["description"] = "\n\n".join(
            [
                "The request does not match the schema, or it breaks a rule, named in `rule`:",
                *(f"`{name}`: {sentence}" for name, sentence in rules.items()),
            ]
        )


class DocumentedApi(NinjaAPI):
    """Keeps its OpenAPI document: making it takes half a second, and anybody may ask for it."""

    @functools.cached_property
    def _document(self) -> OpenAPISchema:
        document = super().get_openapi_schema()
        for path in document["paths"].values():
            for operation in path.values():
                _complete(operation)
        return document

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """The document as served, or made for another prefix."""
        if path_prefix is None and not path_params:
            return self._document
        return super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)


api = DocumentedApi(
    title="Veche",
    version="1",
    description=(
        "Programs send `Authorization: Bearer <token>`; browsers their session cookie and, for "
        "all that is not GET, the CSRF token. Live events come over the WebSocket `/ws/chat/`."
    ),
    urls_namespace="api",
    auth=BY_METHOD,
    parser=StrictJson(),
)
handle_errors(api)


def _add(prefix: str, router: Router, **options: Any) -> None:
    for view in router.path_operations.values():
        for operation in view.operations:
            operation.by_alias = True  # `from`, as it is sent, not `from_`
            # The document's list shows the summary; by default that is the function's name.
            about = operation.description or ""
            operation.summary = about.split("\n")[0].removesuffix(".")
            given = (operation.auth_param, options.get("auth", NOT_SET), router.auth, BY_METHOD)
            auth: Any = next(auth for auth in given if auth is not NOT_SET)
            [token, _] = auth
            [method] = operation.methods
            needed = token.needed_for(method)
            operation.description = f"{about}\n\nA token needs the scope `{needed}`."
    router.add_decorator(in_turn, mode="operation")
    api.add_router(prefix, router, **options)


for own in (
    people.router,
    rooms.router,
    messages.router,
    read_markers.router,
    threads.router,
    mentions.router,
    room_arrangement.router,
    moderation.router,
    reports.router,
    tokens.router,
):
    _add("/v1", own)
for path, name in settings.API_ROUTERS_BESIDE_THE_CHAT.items():
    _add(f"/v1/{path}", import_string(name), throttle=READS, auth=MODERATING)
