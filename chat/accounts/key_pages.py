"""Pages whose address holds a key, such as the one that confirms a mail address."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def keep_the_key(view: View) -> View:
    """Makes browsers send only the site as referrer, not the address of the page with the key.

    Otherwise requests for the page's files and forms would carry its address as their referrer,
    which a gateway logs with its errors. Not `no-referrer`: forms would then be sent without an
    origin (`Origin: null`) and be refused.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "strict-origin"
        return response

    return answer
