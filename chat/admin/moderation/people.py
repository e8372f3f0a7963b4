"""People: finding them, looking at them, acting on them; their accounts, groups and sessions."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from allauth.mfa.utils import is_mfa_enabled
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from chat.accounts import notices
from chat.admin.kit.base import AdminPasswordChangeForm
from chat.admin.kit.read_only import EstimatingPaginator, OnlyOfferedLookups
from chat.admin.kit.records import acting, note
from chat.admin.moderation.offered_acts import choices_for
from chat.admin.moderation.person_forms import UserChangeForm, UserCreationForm
from chat.audit.permissions import LOOK_AT_PEOPLE, Act, check_subject
from chat.errors import ClientError
from chat.models import AuditEntry, User
from chat.queries.people_search import named

if TYPE_CHECKING:  # generic, and of one base, only for the type checker
    _AccountAdmin = UserAdmin[User]
else:

    class _AccountAdmin(OnlyOfferedLookups, UserAdmin):
        """Django's admin of accounts with the look of the other pages."""


MAX_ROOMS = 200
# Rights, whose changes get entries of their own, with the values from before.
RIGHTS = ("is_staff", "is_superuser")
# Of all other fields only the field's name is on record, because they hold people's own texts and
# addresses. These fields are recorded with values; otherwise nobody could tell later who was who.
WITH_VALUES = ("username",)


class PersonAdmin(_AccountAdmin):
    """Staff who may change roles edit accounts here; moderators act through actions."""

    form = UserChangeForm
    add_form = UserCreationForm
    # django-unfold's empty value would override Django's: new accounts would have no name.
    add_fieldsets = UserAdmin.add_fieldsets
    change_password_form = AdminPasswordChangeForm
    change_form_template = "admin/veche/person.html"
    show_full_result_count = False
    paginator = EstimatingPaginator
    list_per_page = 50
    actions = None
    list_display = (
        "username",
        "display_name",
        "is_active",
        "is_staff",
        "muted_until",
        "last_login",
    )
    list_filter = ("is_staff", "is_active", "groups")
    ordering = ("-pk",)
    search_fields = ("username", "display_name")
    filter_horizontal = ()  # there are only a few groups, and a phone is narrow
    fieldsets = (
        (None, {"fields": ("username", "display_name", "email", "password")}),
        (_("State"), {"fields": ("is_active", "deactivated_at", "muted_until")}),
        (_("Permissions"), {"fields": ("is_staff", "is_superuser", "groups")}),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    # Actions change these: they also end sessions and tell the room log.
    readonly_fields = ("is_active", "deactivated_at", "muted_until", "last_login", "date_joined")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return any(request.user.has_perm(permission) for permission in LOOK_AT_PEOPLE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.manage_roles")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody may edit themselves here, or somebody above them."""
        if not request.user.has_perm("chat.manage_roles"):
            return False
        if obj is None:
            return True
        assert isinstance(request.user, User)
        try:
            check_subject(request.user, obj)
        except ClientError:
            return False
        return True

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Searches as people do: all words, in any order; `@` begins a user name."""
        return queryset.filter(named(search_term)), False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # their messages stay; deactivate them instead

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Only staff who manage accounts see addresses."""
        found = super().get_fieldsets(request, obj)
        if obj is None or request.user.has_perm("chat.manage_roles"):
            return found
        return [
            (
                title,
                {
                    **options,
                    "fields": tuple(
                        name for name in options["fields"] if name not in ("email", "password")
                    ),
                },
            )
            for title, options in found
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Only a superuser may make superusers."""
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return (*fields, "is_superuser")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Every changed field is on record; only what was changed is written."""
        if not change:
            # There is no id to put on record beforehand, so both are written, or neither.
            with transaction.atomic():
                super().save_model(request, obj, form, change)
                self._note(request, Act.PERSON_CREATE, obj, after={"username": obj.username})
            return
        changed = [name for name in form.changed_data if name != "groups"]
        before = User.objects.values(*RIGHTS, *WITH_VALUES, "email").get(pk=obj.pk)
        with ExitStack() as acts:
            if any(name in RIGHTS for name in changed):
                acts.enter_context(
                    self._acting(
                        request,
                        Act.PERSON_GROUPS,
                        obj,
                        before={name: before[name] for name in RIGHTS},
                        after={name: getattr(obj, name) for name in RIGHTS},
                    )
                )
            if others := [name for name in changed if name not in RIGHTS]:
                told = [name for name in WITH_VALUES if name in others]
                acts.enter_context(
                    self._acting(
                        request,
                        Act.PERSON_EDIT,
                        obj,
                        before={name: before[name] for name in told},
                        after={"fields": others} | {name: getattr(obj, name) for name in told},
                    )
                )
            if changed:
                obj.save(update_fields=changed)
            if "email" in changed:
                notices.change_address(request, obj, before["email"], obj.email)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        person: User = form.instance
        before = sorted(person.groups.values_list("name", flat=True))
        after = sorted(group.name for group in form.cleaned_data.get("groups", ()))
        if not change or "groups" not in form.cleaned_data or before == after:
            super().save_related(request, form, formsets, change)
            return
        with self._acting(
            request,
            Act.PERSON_GROUPS,
            person,
            before={"groups": before},
            after={"groups": after},
        ):
            super().save_related(request, form, formsets, change)

    def _acting(
        self, request: HttpRequest, act: Act, person: User, **more: Any
    ) -> AbstractContextManager[Any]:
        kind = AuditEntry.TargetKind.PERSON
        return acting(request, act, kind, str(person.pk), user=person, **more)

    def _note(self, request: HttpRequest, act: Act, person: User, **more: Any) -> None:
        note(request, act, AuditEntry.TargetKind.PERSON, str(person.pk), user=person, **more)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        person = self.get_object(request, object_id)
        context: dict[str, Any] = dict(extra_context or {})
        if isinstance(person, User) and self.has_view_permission(request, person):
            rooms = person.memberships.select_related("room").order_by("room__slug")
            context |= {
                "person": person,
                "memberships": visible_memberships(request, rooms),
                "person_actions": choices_for(
                    request.user,
                    AuditEntry.TargetKind.PERSON,
                    {
                        Act.PERSON_REACTIVATE if person.is_active else Act.PERSON_DEACTIVATE,
                        *([] if person.muted_until else [Act.PERSON_UNMUTE]),
                    },
                ),
                "member_actions": choices_for(request.user, AuditEntry.TargetKind.MEMBER),
                "second_factor": is_mfa_enabled(person),
                "may_end_sessions": may_end_sessions(request, person),
            }
        return super().change_view(request, object_id, form_url, context)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """Puts on record that staff set somebody's password, which opens the account to them.

        Both are written, or neither.
        """
        with transaction.atomic():
            person = self.get_object(request, unquote(id))
            response = super().user_change_password(request, id, form_url)
            if person is not None and request.method == "POST":
                changed = User.objects.filter(pk=person.pk).exclude(password=person.password)
                if changed.exists():
                    self._note(request, Act.PERSON_PASSWORD, person)
                    notices.tell(request, "password_changed", person, by_staff=True)
        return response

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Writes nothing: the audit log replaces Django's."""
        return None

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None


def visible_memberships(request: HttpRequest, rooms: Any) -> Any:
    """Memberships in public rooms; those in private rooms only for staff who may see them."""
    if not request.user.has_perm("chat.view_private_rooms"):
        rooms = rooms.filter(room__kind="public")
    return rooms[:MAX_ROOMS]


def may_end_sessions(request: HttpRequest, person: User) -> bool:
    """Whether this administrator may see and end the sessions of that person."""
    if not request.user.has_perm("chat.deactivate_people"):
        return False
    assert isinstance(request.user, User)
    if request.user.pk == person.pk:
        return True
    try:
        check_subject(request.user, person)
    except ClientError:
        return False
    return True
