"""Writes answers as JSON, or their rows as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import msgspec
from django.http import HttpResponse
from ninja import Schema

from chat.spreadsheets import cell

_encoder = msgspec.json.Encoder()


def json_answer(body: Mapping[str, Any]) -> HttpResponse:
    """Caches must not keep it, because it depends on the person who asks."""
    response = HttpResponse(_encoder.encode(body), content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


def table_answer(kind: str, name: str, row: type[Schema], body: Mapping[str, Any]) -> HttpResponse:
    """`body` as JSON; or, if `kind` is csv, its `rows` with the columns of `row` and no more."""
    if kind == "json":
        return json_answer(body)
    fields = row.model_fields
    columns = [field.alias or attribute for attribute, field in fields.items()]
    if "from" in columns:
        columns.sort(key=lambda column: column != "from")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([cell(one[column]) for column in columns] for one in body["rows"])
    # The byte order mark tells spreadsheets that the file is UTF-8.
    response = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="veche-{name}.csv"'
    response["Cache-Control"] = "no-store"
    return response
