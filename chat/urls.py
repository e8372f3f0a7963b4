"""Routes of the chat's own pages and API."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path

from chat import views
from chat.api.answers import absent
from chat.api.routes import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.index, name="chat"),
    path("accounts/name/", views.change_name, name="change_name"),
    path("api/", api.urls),
    # Programs get a problem document for an address that is not there, not a page.
    re_path(r"^api/v1/", absent),
]
