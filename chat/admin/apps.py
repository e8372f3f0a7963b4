"""Makes Django's admin Veche's. Loaded before there are models, so it imports none."""

from __future__ import annotations

from importlib import import_module

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    default = False
    default_site = "chat.admin.site.site.Site"

    def ready(self) -> None:
        super().ready()
        # After `autodiscover`: by now every app has registered what it wants in the admin, and
        # this module decides what stays.
        import_module("chat.admin.site.registered")
