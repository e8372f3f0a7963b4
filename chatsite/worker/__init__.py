"""Celery as this installation runs it: its scheduler, its order of queues, its connection."""
