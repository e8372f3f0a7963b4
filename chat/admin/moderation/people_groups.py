"""Groups of people that messages mention, such as `@backend`: made and changed here, on record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.actions import people_groups
from chat.admin.kit.base import ModelAdmin
from chat.admin.kit.read_only import OnlyOfferedLookups
from chat.admin.kit.records import by
from chat.models import PeopleGroup, User
from chat.names import usernames

if TYPE_CHECKING:  # generic only for the type checker
    _Form = forms.ModelForm[PeopleGroup]
else:
    _Form = forms.ModelForm

# Names that the form has not found; more are a number.
MAX_NAMED = 10


class PeopleGroupForm(_Form):
    people = forms.CharField(
        label=_("people"),
        required=False,
        max_length=people_groups.MAX_MEMBERS * (usernames.MAX_CHARACTERS + 2),
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text=_("User names, separated by spaces or new lines."),
    )

    class Meta:
        model = PeopleGroup
        fields: ClassVar = ["handle", "name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None and "people" in self.fields:
            names = self.instance.members.order_by("user__username")
            self.fields["people"].initial = "\n".join(
                names.values_list("user__username", flat=True)
            )

    def clean_handle(self) -> str:
        return people_groups.check_handle(self.cleaned_data["handle"], self.instance.pk)

    def clean_name(self) -> str:
        return people_groups.check_name(self.cleaned_data["name"])

    def clean_people(self) -> list[int]:
        """The ids of the people, all of whom there are."""
        words = re.split(r"[\s,;]+", self.cleaned_data["people"])
        names = {usernames.normalise(word.removeprefix("@")) for word in words} - {""}
        if len(names) > people_groups.MAX_MEMBERS:
            raise ValidationError(
                _("A group has at most %(number)s people."),
                params={"number": people_groups.MAX_MEMBERS},
            )
        found = dict(User.objects.filter(username__in=names).values_list("username", "pk"))
        if missing := sorted(names - found.keys()):
            raise ValidationError(
                _("Nobody has these user names: %(names)s"),
                params={"names": ", ".join(missing[:MAX_NAMED])},
            )
        return list(found.values())


class PeopleGroupAdmin(OnlyOfferedLookups, ModelAdmin):
    """For staff who manage accounts; others see groups in the chat."""

    form = PeopleGroupForm
    list_display = ("handle", "name", "number")
    search_fields = ("handle", "name")
    list_per_page = 50
    actions = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: PeopleGroup | None = None) -> bool:
        return self._may(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: PeopleGroup | None = None) -> bool:
        return self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: PeopleGroup | None = None) -> bool:
        return self._may(request)

    @staticmethod
    def _may(request: HttpRequest) -> bool:
        return request.user.has_perm("chat.manage_roles")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PeopleGroup]:
        found: QuerySet[PeopleGroup] = super().get_queryset(request)
        return found.annotate(people_number=Count("members"))

    def number(self, group: PeopleGroup) -> int:
        return group.people_number  # type: ignore[attr-defined,no-any-return]

    number.short_description = _("people")  # type: ignore[attr-defined]

    def save_model(self, request: HttpRequest, obj: PeopleGroup, form: Any, change: bool) -> None:
        people_groups.save(by(request), obj, form.cleaned_data["people"])

    def delete_model(self, request: HttpRequest, obj: PeopleGroup) -> None:
        people_groups.delete(by(request), obj)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Writes nothing: the audit log replaces Django's."""
        return None

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None
