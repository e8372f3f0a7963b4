"""Pages to look at people, rooms, messages and reports, and to act on them."""
