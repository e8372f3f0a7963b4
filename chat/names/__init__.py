"""Which names people and rooms may have. Pure."""
