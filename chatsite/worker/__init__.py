"""What this installation changes about Celery: scheduler, order of queues, broker connection."""
