"""The chat itself: rooms, their log, the people in them and the ways in which they talk."""
