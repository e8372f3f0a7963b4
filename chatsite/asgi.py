"""The web process's application: HTTP through Django, `/ws/chat/` through the chat's consumer."""

from __future__ import annotations

import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import WebsocketDenier
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
# Sets Django up, which the consumer's imports need.
http: Any = get_asgi_application()

from chat.middleware.body_limit import BodyLimit  # noqa: E402
from chat.middleware.head_requests import HeadRequests  # noqa: E402
from chat.middleware.unpaid_requests import UnpaidRequests  # noqa: E402
from chat.websocket.consumer import ChatConsumer  # noqa: E402

# The consumer itself checks the exact origin, the session or ticket, and the subprotocol.
application = ProtocolTypeRouter(
    {
        "http": HeadRequests(UnpaidRequests(BodyLimit(http))),
        "websocket": URLRouter(
            [
                path("ws/chat/", ChatConsumer.as_asgi()),
                # Without this, an unknown path would raise an exception and give an HTTP 500.
                re_path("", WebsocketDenier.as_asgi()),
            ]
        ),
    }
)
