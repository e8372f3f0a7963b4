"""The admin of the people who keep the place in order.

`site` is the door: who may come in, and the list of pages. Each other module is one page or one
concept that pages share. Rooms, members and messages are projections of the log, so nothing here
edits a row of theirs: what moderators do goes through `chat.actions`, with pages of their own.

`base` is the only module that knows django-unfold, which gives the look; without it everything
here works in Django's plain admin.
"""
