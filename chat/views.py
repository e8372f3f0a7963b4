"""The chat page, and the page for changing one's name.

Everything on the chat page comes over the socket and the REST API.
"""

from __future__ import annotations

from allauth.decorators import rate_limit
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe
from msgspec import structs

from chat.accounts import people
from chat.accounts.forms import ChangeNameForm
from chat.accounts.staff_access import SEES_ANALYTICS
from chat.models import User


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def index(request: HttpRequest) -> HttpResponse:
    """The chat of the signed-in person; others are sent to the sign-in page.

    `page` says who is here and where the pages around the chat are, so that the browser knows whose
    outbox it holds before the server has answered. `seesAnalytics`: may see those of all rooms.
    """
    user = request.user
    assert isinstance(user, User)
    page = {
        "user": structs.asdict(people.info(user)),
        "csrfToken": get_token(request),
        "urls": {
            "signIn": f"{reverse('account_login')}?next=/",
            "signOut": reverse("account_logout"),
            "name": reverse("change_name"),
            "email": reverse("account_email"),
            "password": reverse("account_change_password"),
            "secondFactor": reverse("mfa_index"),
            "sessions": reverse("usersessions_list"),
            "tokens": reverse("tokens"),
            "admin": reverse("admin:index"),
            "analytics": reverse("analytics"),
        },
        "seesAnalytics": user.is_staff and user.has_perm(SEES_ANALYTICS),
    }
    return render(request, "chat/index.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
@rate_limit(action="change_name")  # type: ignore[untyped-decorator]
def change_name(request: HttpRequest) -> HttpResponse:
    """Where people change the name that others see; without one, others see the user name."""
    user = request.user
    assert isinstance(user, User)
    form = ChangeNameForm(request.POST or None, initial={"display_name": user.display_name})
    if request.method == "POST" and form.is_valid():
        form.give_name(user)
        saved = gettext("Saved. Your name is %(name)s.") % {"name": user.shown_name}
        messages.success(request, saved)
        return redirect("change_name")
    return render(request, "account/change_name.html", {"form": form})
