"""Pages on which people, rooms, messages and reports are looked at and acted on."""
