"""Wiring of the project: environment, settings, routes, servers. No rules of the chat itself."""

from chatsite.celery import app as celery_app

__all__ = ["celery_app"]
