"""Pages on which those who have rights are themselves looked at: the audit log, groups, tokens."""
