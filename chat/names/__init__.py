"""What people and rooms may be called. Pure."""
