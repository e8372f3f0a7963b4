"""Rows that the admin shows and never edits: only actions change them."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import Http404, HttpRequest
from django.utils.functional import cached_property

from chat.admin.kit.base import ModelAdmin
from chat.admin.kit.keyset_paging import estimated

# Below this, an exact count costs next to nothing, and says more.
EXACT_ROWS = 10_000


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]
    """Counts short lists exactly, and estimates long ones by PostgreSQL's planner.

    For lists of people and rooms; the history, which is far longer, has no numbered pages.
    """

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            about = estimated(rows)
            if about > EXACT_ROWS:
                return about
        exact: int = super().count
        return exact


class OnlyOfferedLookups(ModelAdmin):
    """Lists can be narrowed only by the filters that they offer.

    Django accepts any field of the model in a URL: people who see a list could guess, letter by
    letter, the content of fields that the list hides, such as addresses and topics.
    """

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        offered = {
            getattr(one, "parameter_name", one)  # for a filter that is not a field
            for one in self.get_list_filter(request)
        }
        return lookup.split(LOOKUP_SEP)[0] in offered and super().lookup_allowed(
            lookup, value, request
        )


class ReadOnly(OnlyOfferedLookups):
    """Holders of one of `view_permissions` can find rows and look at them."""

    view_permissions: tuple[str, ...] = ()
    # Counting a large table takes longer than all the rest of the page.
    show_full_result_count = False
    paginator = EstimatingPaginator
    list_per_page = 50
    actions = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return any(request.user.has_perm(permission) for permission in self.view_permissions)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Not available: the audit log has the history, of everybody and for good."""
        raise Http404
