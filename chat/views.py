"""The page of the chat; everything on it comes over the socket and the REST API."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe
from msgspec import structs

from chat import people
from chat.models import User


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def index(request: HttpRequest) -> HttpResponse:
    """The chat of the person who is signed in; others are sent to the sign-in page.

    `page` says who is here and where the pages around the chat are, so that the browser knows whose
    outbox it holds before the server has answered.
    """
    user = request.user
    assert isinstance(user, User)
    page = {
        "user": structs.asdict(people.info(user)),
        "csrfToken": get_token(request),
        "urls": {
            "signIn": f"{reverse('account_login')}?next=/",
            "signOut": reverse("account_logout"),
            "password": reverse("account_change_password"),
            "admin": reverse("admin:index"),
            "analytics": reverse("analytics"),
        },
    }
    return render(request, "chat/index.html", {"page": page})
