"""The chat itself: rooms, their log, the people in them and the doors through which they talk."""
