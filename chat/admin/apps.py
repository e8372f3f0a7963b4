"""How Django's admin becomes Veche's. Read before there are models, so it imports none."""

from __future__ import annotations

from importlib import import_module

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    default = False
    default_site = "chat.admin.site.site.Site"

    def ready(self) -> None:
        super().ready()
        # Not what `autodiscover` finds: by then every app has registered what it would like to
        # have in the admin, and this says what stays.
        import_module("chat.admin.site.registered")
