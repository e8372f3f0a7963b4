"""Account pages that ask people to prove who they are before they answer
(`chat.accounts.reauthentication`), and those whose address holds a key
(`chat.accounts.key_pages`).

They come before allauth's own routes, which have the same addresses and names.
"""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from django.urls import path, re_path

from chat.accounts.key_pages import keep_the_key
from chat.accounts.reauthentication import ask_again

CHANGES = frozenset({"POST"})
# For pages whose very content, or what they would create, must not be open to a passer-by.
ALL = frozenset({"GET", "HEAD", "POST"})

urlpatterns = [
    path("email/", ask_again(methods=CHANGES)(account.email), name="account_email"),
    path(
        "password/change/",
        ask_again(methods=ALL, factor_alone=True)(account.password_change),
        name="account_change_password",
    ),
    path(
        "password/set/",
        ask_again(methods=ALL)(account.password_set),
        name="account_set_password",
    ),
    path(
        "2fa/totp/activate/", ask_again(methods=ALL)(totp.activate_totp), name="mfa_activate_totp"
    ),
    path(
        "2fa/totp/deactivate/",
        ask_again(methods=ALL)(totp.deactivate_totp),
        name="mfa_deactivate_totp",
    ),
    path(
        "2fa/recovery-codes/",
        ask_again(methods=ALL)(recovery_codes.view_recovery_codes),
        name="mfa_view_recovery_codes",
    ),
    path(
        "2fa/recovery-codes/generate/",
        ask_again(methods=ALL)(recovery_codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "2fa/recovery-codes/download/",
        ask_again(methods=ALL)(recovery_codes.download_recovery_codes),
        name="mfa_download_recovery_codes",
    ),
    re_path(
        r"^confirm-email/(?P<key>[-:\w]+)/$",
        keep_the_key(account.confirm_email),
        name="account_confirm_email",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        keep_the_key(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
]
