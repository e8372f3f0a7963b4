"""Stores a shard's events: they go from the log to PostgreSQL, with their projections, in order.

`drain` moves them, `sorting` decides which entries of a batch can be stored, `projections` and
`folding` keep the tables that people read, and `put_back` and `reprojection` store later what could
not be stored.
"""
