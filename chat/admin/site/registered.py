"""Which models have their own pages in the admin; removes some that other apps registered."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group

from chat.admin.moderation.people import PersonAdmin
from chat.admin.moderation.people_groups import PeopleGroupAdmin
from chat.admin.moderation.rooms import RoomAdmin
from chat.admin.oversight.groups import GroupAdmin
from chat.admin.oversight.tokens import ApiTokenAdmin
from chat.models import ApiToken, PeopleGroup, Room, User

# Second factors and sessions are secrets; other pages show what may be shown of them.
for _model in (EmailAddress, Authenticator, UserSession, Group):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)

admin.site.register(User, PersonAdmin)
admin.site.register(PeopleGroup, PeopleGroupAdmin)
admin.site.register(Room, RoomAdmin)
admin.site.register(ApiToken, ApiTokenAdmin)
admin.site.register(Group, GroupAdmin)
