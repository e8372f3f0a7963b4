"""Pages for checking on those who have rights: the audit log, groups, tokens."""
