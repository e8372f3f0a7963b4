"""Numbers about the conversation, computed from the exported events alone."""
