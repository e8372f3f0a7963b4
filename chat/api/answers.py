"""Writes responses: JSON from structs, and problems according to RFC 9457."""

from __future__ import annotations

import logging
import math
from typing import Any

import msgspec
from allauth.core.exceptions import ReauthenticationRequired
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError

from chat.errors import ClientError, RetryableError, in_hundredths
from chat.protocol import ErrorCode
from chat.protocol.rules import printable

logger = logging.getLogger(__name__)

STATUS_OF = {
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.UNKNOWN_TYPE: 400,
    ErrorCode.EMPTY: 400,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.NOT_MEMBER: 403,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.MUTED: 403,
    ErrorCode.ARCHIVED: 409,
    ErrorCode.KEY_CONFLICT: 409,
    ErrorCode.TOO_MANY: 409,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UNAVAILABLE: 503,
}
TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    429: "Too many requests",
    500: "Server error",
    503: "Unavailable",
}
# A response names at most this many faults of its request.
MAX_FAULTS = 5
RETRY_AFTER_SECONDS = 1.0

_encoder = msgspec.json.Encoder()


def answer(value: Any, status: int = 200) -> HttpResponse:
    """JSON of structs, lists and dicts. Caches must not keep it: it depends on who asks."""
    response = HttpResponse(_encoder.encode(value), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


def nothing() -> HttpResponse:
    return HttpResponse(status=204)


def problem(
    status: int,
    code: str,
    detail: str,
    retry_after_seconds: float | None = None,
    reason: str | None = None,
    rule: str | None = None,
    about: str | None = None,
) -> HttpResponse:
    """An application/problem+json document."""
    document: dict[str, Any] = {
        "type": f"urn:veche:problem:{code}",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
    }
    if reason is not None:
        document["reason"] = reason
    if retry_after_seconds is not None:
        document["retry_after"] = in_hundredths(retry_after_seconds)
    if rule is not None:
        document["rule"] = rule
    if about is not None:
        document["about"] = about
    response = answer(document, status)
    response["Content-Type"] = "application/problem+json"
    if retry_after_seconds is not None:
        response["Retry-After"] = str(math.ceil(retry_after_seconds))
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="veche"'
    return response


def handle_errors(api: NinjaAPI) -> None:
    """Makes every failure of the API's operations a problem document."""
    handlers: dict[type[Exception], Any] = {
        ClientError: _refused,
        RetryableError: _unavailable,
        OperationalError: _unavailable,
        InterfaceError: _unavailable,
        ValidationError: _invalid,
        RequestDataTooBig: _too_big,
        AuthenticationError: _not_signed_in,
        ReauthenticationRequired: _ask_again,
        Throttled: _throttled,
        HttpError: _http_error,
        Http404: absent,
        Exception: _broken,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _refused(request: HttpRequest, error: ClientError) -> HttpResponse:
    status = STATUS_OF[ErrorCode(error.code)]
    return problem(
        status,
        error.code,
        error.message,
        error.retry_after_seconds,
        reason=error.reason,
        rule=error.rule,
        about=error.about,
    )


def _unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    # %r, because a path may contain line breaks.
    logger.warning("%s %r: %s", request.method, request.path, type(error).__name__)
    return problem(503, "unavailable", "A part of the server is unreachable.", RETRY_AFTER_SECONDS)


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    if any(fault["loc"][0] == "path" for fault in error.errors):
        return absent(request, error)
    faults = [
        f"{'.'.join(str(part) for part in fault['loc'][1:])}: {fault['msg']}"
        for fault in error.errors[:MAX_FAULTS]
    ]
    return problem(400, "bad_request", printable("; ".join(faults)))


def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(413, "too_large", "The request is too large.")


def _not_signed_in(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return problem(401, "not_signed_in", "Sign in, or send a valid token.")


def _ask_again(request: HttpRequest, error: ReauthenticationRequired) -> HttpResponse:
    where = reverse("account_reauthenticate")
    detail = f"Sign in again, or confirm at {where} that it is you, and repeat the request."
    return problem(403, "reauthentication_required", detail)


def _throttled(request: HttpRequest, error: Throttled) -> HttpResponse:
    return problem(429, "rate_limited", "Too many requests.", error.wait)


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    code = {403: "forbidden", 404: "not_found"}.get(error.status_code, "bad_request")
    status = error.status_code if error.status_code in TITLES else 400
    return problem(status, code, error.message, rule=getattr(error, "rule", None))


def absent(request: HttpRequest, error: Exception | None = None) -> HttpResponse:
    return problem(404, "not_found", "There is nothing here.")


def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("%s %r failed", request.method, request.path, exc_info=error)
    return problem(
        500, "server_error", "Something went wrong on the server; its log has the details."
    )
