"""Routes of the chat's own pages and API."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path

from chat import views
from chat.accounts import token_pages
from chat.api.answers import absent
from chat.api.routes import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.index, name="chat"),
    path("accounts/name/", views.change_name, name="change_name"),
    path("accounts/tokens/", token_pages.token_page, name="tokens"),
    path("accounts/tokens/revoke/", token_pages.revoke, name="revoke_tokens"),
    path("accounts/tokens/<int:token_id>/revoke/", token_pages.revoke, name="revoke_token"),
    # In the place of allauth's page, under the name by which it refers to it.
    path("accounts/sessions/", token_pages.sessions, name="usersessions_list"),
    path("api/", api.urls),
    # Programs get a problem document for an address that is not there, not a page.
    re_path(r"^api/v1/", absent),
]
