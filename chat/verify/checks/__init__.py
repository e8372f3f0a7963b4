"""The checks, without any server: callers pass in the data to compare. Pure."""
