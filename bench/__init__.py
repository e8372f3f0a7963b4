"""Measurements: each module says how it is run and what its figures mean."""

import os

# `python -m bench.chat_load` reads the stack that runs as manage.py does.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
