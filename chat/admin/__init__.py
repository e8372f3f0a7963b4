"""The admin, for moderators and operators.

`site` says who may come in and which pages there are; `moderation`, `delivery` and `oversight`
hold the pages, `kit` what pages share. Rooms, members and messages are projections of the log, so
nothing here edits their rows: what moderators do goes through `chat.actions`, on pages of its own.

`kit.base` is the only module that knows django-unfold, which provides the look; without it
everything here works in Django's plain admin.
"""
