"""What people may read, and reading it: the half beside `chat.actions`, which writes."""
