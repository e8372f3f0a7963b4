"""The project's wiring: environment, settings, routes, servers. None of the chat's own rules."""

from chatsite.celery import app as celery_app

__all__ = ["celery_app"]
