"""Pages of one's own account for its access from elsewhere: tokens of programs, and sessions."""

from __future__ import annotations

from typing import Any

from allauth.decorators import rate_limit
from allauth.usersessions.forms import ManageUserSessionsForm
from allauth.usersessions.views import ListUserSessionsView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from chat.accounts import notices, tokens
from chat.accounts.forms import TokenForm
from chat.accounts.reauthentication import ask_again
from chat.errors import ClientError
from chat.models import ApiToken, User
from chat.protocol import scopes


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
@rate_limit(action="make_token")  # type: ignore[untyped-decorator]
@ask_again(methods=frozenset({"POST"}))
def token_page(request: HttpRequest) -> HttpResponse:
    """My tokens, and a form for a new one, which is shown in the response and never again."""
    user = _user(request)
    form = TokenForm(request.POST or None)
    issued: tuple[ApiToken, str] | None = None
    if request.method == "POST" and form.is_valid():
        try:
            issued = tokens.issue(user.pk, **form.wanted())
        except ClientError:
            at_most = tokens.MAX_TOKENS_PER_PERSON
            form.add_error(None, gettext("You already have %s tokens. Revoke one first.") % at_most)
        else:
            notices.tell(request, "token_made", user, token_name=issued[0].name)
            form = TokenForm()
    now = timezone.now()
    shown = [
        {
            "row": row,
            "scopes": [TokenForm.SCOPES[one] for one in scopes.Scope if one in granted],
            "expired": row.expires_at is not None and row.expires_at <= now,
        }
        for row in tokens.shown_tokens(user.pk)
        for granted in [scopes.from_text(row.scopes)]
    ]
    context: dict[str, Any] = {"form": form, "tokens": shown}
    if issued is not None:
        context["issued"], context["text"] = issued
    return render(request, "account/tokens.html", context)


@require_POST
@login_required
def revoke(request: HttpRequest, token_id: int | None = None) -> HttpResponse:
    """Ends one of my tokens, or all of them; a token that has already ended is no error."""
    chosen = None if token_id is None else [token_id]
    if tokens.revoke_some(_user(request).pk, chosen):
        messages.success(request, gettext("Revoked. The token no longer works."))
    return redirect("tokens")


class _EndEverythingElse(ManageUserSessionsForm):  # type: ignore[misc]
    def save(self, request: HttpRequest) -> None:
        super().save(request)
        tokens.revoke_some(_user(request).pk)


class _Sessions(ListUserSessionsView):  # type: ignore[misc]
    """allauth's page; ending the other sessions ends tokens too, since somebody in those sessions
    may have made them."""

    form_class = _EndEverythingElse


sessions = _Sessions.as_view()


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
