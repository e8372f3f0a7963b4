"""Numbers about what happens in the rooms, computed only from the exported events."""
