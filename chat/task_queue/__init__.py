"""Celery as Veche uses it: what a task is built on, and what is known of the queue."""
