"""Who may enter the admin, and what other applications keep behind the same check.

`is_staff` and a second factor let somebody in; each page behind that also needs a permission.
"""

from __future__ import annotations

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from chat.accounts import second_factor
from chat.accounts.second_factor import SecondFactor
from chat.models import User

SEES_ANALYTICS = "chat.view_analytics"


def lacks_second_factor(request: HttpRequest) -> bool:
    """Whether this member of staff must still set up a factor, or give it in this session.

    A factor that the account has is asked for whatever STAFF_MFA says, so that a session opened
    with the password alone does not get around it.
    """
    factor = second_factor.state_of(request)
    return factor is SecondFactor.MISSING or (
        factor is SecondFactor.NONE and bool(settings.ENV.staff_mfa)
    )


def page_for_second_factor(request: HttpRequest) -> str:
    """The page to send people without a second factor to; it leads back afterwards."""
    if second_factor.state_of(request) is SecondFactor.NONE:
        return reverse("mfa_activate_totp")
    back = urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})
    return f"{reverse('mfa_reauthenticate')}?{back}"


def staff_of_session(request: HttpRequest) -> User | None:
    """The member of staff whose session this is, if it may enter; None for everybody else.

    Uses the ORM.
    """
    user = request.user
    if not (isinstance(user, User) and user.is_active and user.is_staff):
        return None
    return None if lacks_second_factor(request) else user


def staff_of_token(user_id: int) -> User | None:
    """The member of staff who made a token; None for everybody else.

    A token cannot answer a question, so the check can only require that the account has a second
    factor. Uses the ORM.
    """
    user = User.objects.filter(pk=user_id, is_active=True, is_staff=True).first()
    if user is None or (settings.ENV.staff_mfa and not is_mfa_enabled(user)):
        return None
    return user
