"""What runs in front of Django: small ASGI applications around the one that answers."""
