"""Celery as Veche uses it: the base of every task, and what is measured about the queue."""
