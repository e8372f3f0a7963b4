"""All routes."""

from __future__ import annotations

from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.utils.functional import lazy
from django.views.generic import RedirectView

from chat.monitoring import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("accounts/", include("chat.accounts.routes")),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("analytics/", include("analytics.reading.urls")),
    # Browsers request this icon for pages that name none, such as the admin's.
    path("favicon.ico", RedirectView.as_view(url=lazy(static, str)("chat/img/mark.svg"))),
    path("", include("chat.urls")),
]
