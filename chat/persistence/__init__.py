"""Storing: a shard's events go from the log to PostgreSQL, with their projections, in order.

`drain` moves them, `sorting` says what of a batch can be stored, `projections` and `folding` keep
the tables that people read, `put_back` and `reprojection` store later what could not be stored.
"""
