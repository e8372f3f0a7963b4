"""The admin of the people who keep the place in order.

`site` says who may come in and which pages there are; `moderation`, `delivery` and `oversight`
hold the pages, `kit` what pages share. Rooms, members and messages are projections of the log, so
nothing here edits a row of theirs: what moderators do goes through `chat.actions`, with pages of
their own.

`kit.base` is the only module that knows django-unfold, which gives the look; without it everything
here works in Django's plain admin.
"""
