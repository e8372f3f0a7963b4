"""Measurements: each module says how to run it and what its figures mean."""

import os

# Benches of a running stack, like `python -m bench.chat_load`, use the settings of manage.py.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
