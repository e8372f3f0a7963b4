"""All operations of the API under one roof."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from ninja import NinjaAPI

from chat.api import messages, moderation, people, reports, rooms, tokens
from chat.api.answers import handle_errors
from chat.api.requests import Session, StrictJson, Token

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
for router in (
    people.router,
    rooms.router,
    messages.router,
    moderation.router,
    reports.router,
    tokens.router,
):
    for view in router.path_operations.values():
        for operation in view.operations:
            # The document's list shows the summary; the function's name says less.
            operation.summary = (operation.description or "").split("\n")[0].removesuffix(".")
    api.add_router("/v1", router)
