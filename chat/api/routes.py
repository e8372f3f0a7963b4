"""All operations of the API under one roof."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.utils.module_loading import import_string
from ninja import NinjaAPI, Router

from chat.api import messages, moderation, people, reports, rooms, tokens
from chat.api.answers import handle_errors
from chat.api.requests import READS, Session, StrictJson, Token

api = NinjaAPI(
    title="Veche",
    version="1",
    description=(
        "Programs send `Authorization: Bearer <token>`; browsers their session cookie and, for "
        "all that is not GET, the CSRF token. Live events come over the WebSocket `/ws/chat/`."
    ),
    urls_namespace="api",
    auth=[Token(), Session()],
    parser=StrictJson(),
    docs_decorator=login_required,
)
handle_errors(api)


def _add(prefix: str, router: Router, **options: Any) -> None:
    for view in router.path_operations.values():
        for operation in view.operations:
            # The document's list shows the summary; the function's name says less.
            operation.summary = (operation.description or "").split("\n")[0].removesuffix(".")
    api.add_router(prefix, router, **options)


for own in (
    people.router,
    rooms.router,
    messages.router,
    moderation.router,
    reports.router,
    tokens.router,
):
    _add("/v1", own)
for path, name in settings.API_ROUTERS_BESIDE_THE_CHAT.items():
    _add(f"/v1/{path}", import_string(name), throttle=READS)
