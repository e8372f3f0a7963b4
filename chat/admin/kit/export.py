"""Exports of lists of any length: rows in stretches that the browser requests one by one.

The page (`admin.js`) joins them into a file and shows its progress. So neither server nor browser
ever holds more than one stretch in memory while it waits for the other (Daphne has no
back-pressure). No request takes long, each checks rights anew, and an export that was cut off
resumes where it was.

A signed `ExportRequest` says what is exported, by whom and in which format. It is signed only once
the export is on record; without one there are no rows. In addresses it is called `ticket`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

import msgspec
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from chat.spreadsheets import cell

STRETCH_ROWS = 2_000
FORMATS = {"csv": "text/csv", "jsonl": "application/jsonl"}
SIGNED_SECONDS = 6 * 3600
SALT = "chat.admin.kit.export"


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is exported: which list, its filter as a form gave it, the format, and for whom."""

    id: str
    what: str
    form: dict[str, str]
    format: str
    user: int
    chosen: list[int] = []


def signed(
    request: HttpRequest, what: str, form: Mapping[str, str], format: str, **more: Any
) -> str:
    """A signed request, good for `SIGNED_SECONDS`.

    The caller has checked the right and put the export on record.
    """
    assert format in FORMATS
    wanted = ExportRequest(
        id=str(uuid4()),
        what=what,
        form=dict(form),
        format=format,
        user=int(request.user.pk or 0),
        **more,
    )
    return signing.dumps(msgspec.to_builtins(wanted), salt=SALT, compress=True)


def verified(request: HttpRequest, what: str) -> ExportRequest:
    """The signed request that a request for rows carries. Raises: PermissionDenied."""
    try:
        plain = signing.loads(request.GET.get("ticket", ""), salt=SALT, max_age=SIGNED_SECONDS)
        wanted = msgspec.convert(plain, type=ExportRequest)
    except (signing.BadSignature, msgspec.ValidationError) as error:
        raise PermissionDenied from error
    if wanted.what != what or wanted.user != request.user.pk:
        raise PermissionDenied
    return wanted


def stretch(
    wanted: ExportRequest,
    rows: Iterable[Mapping[str, Any]],
    *,
    first: bool,
    next: str | None,
    count: int,
) -> HttpResponse:
    """The response with `count` rows; headers say how many and where the next stretch begins."""
    text = as_csv(rows, head=first) if wanted.format == "csv" else as_lines(rows)
    response = HttpResponse(text, content_type=f"{FORMATS[wanted.format]}; charset=utf-8")
    # Even when opened directly, the response is a download, never a page.
    response["Content-Disposition"] = f'attachment; filename="{wanted.what}.{wanted.format}"'
    response["X-Export-Rows"] = str(count)
    if next is not None:
        response["X-Export-Next"] = next
    return response


def as_csv(rows: Iterable[Mapping[str, Any]], *, head: bool) -> str:
    """Rows with equal keys as RFC 4180 CSV; with `head`, the keys come first."""
    out = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(out, list(row), lineterminator="\r\n")
            if head:
                writer.writeheader()
        writer.writerow({name: cell(value) for name, value in row.items()})
    return out.getvalue()


def as_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """One JSON object per line."""
    return "".join(msgspec.json.encode(dict(row)).decode() + "\n" for row in rows)
