"""Every label of the admin's forms and lists has a Russian one, Django's own included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import flatten_fieldsets, help_text_for_field, label_for_field
from django.utils import translation

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
PAGES = [pytest.param(page, id=page.model.__name__) for page in admin.site._registry.values()]


def fields_of(page: ModelAdmin[Any]) -> list[str]:
    sets = page.fieldsets or [(None, {"fields": page.fields or ()})]
    return [*flatten_fieldsets(sets), *page.list_display]


def texts_of(page: ModelAdmin[Any]) -> Iterator[str]:
    options = page.model._meta
    yield from (str(options.verbose_name), str(options.verbose_name_plural))
    for name in fields_of(page):
        yield str(label_for_field(name, page.model, page))
        yield str(help_text_for_field(name, page.model))
        found = [one for one in options.get_fields() if one.name == name]
        yield from (str(label) for one in found for _, label in getattr(one, "choices", None) or ())


@pytest.mark.parametrize("page", PAGES)
def test_form_and_list_have_nothing_in_english_only(page: ModelAdmin[Any]) -> None:
    with translation.override("ru"):
        texts = {text for text in texts_of(page) if text}

    assert {text for text in texts if not CYRILLIC.search(text)} == set()
    assert len(texts) > 3
