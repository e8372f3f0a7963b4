"""What people may read, and reading it; the counterpart of `chat.actions`, which writes."""
