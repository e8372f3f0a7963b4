"""How people have arranged their lists of rooms."""

from __future__ import annotations

from django.db import models

from chat.models.people import User


class RoomArrangement(models.Model):
    """One person's favourites, sections and closed conversations. Only its owner ever sees it.

    Whoever is in no room that it names is not affected by the name: rooms are not looked up here.
    """

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="room_arrangement"
    )
    # Goes up by one with each change.
    version = models.BigIntegerField()
    # See `chat.protocol.Arrangement`.
    layout = models.JSONField()

    def __str__(self) -> str:
        return f"rooms of {self.user_id}, version {self.version}"
