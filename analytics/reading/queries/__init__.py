"""What the rollups say, as rows. These only read, and only numbers, names and words.

A `room` is a room's id or `ALL_ROOMS`. Times come back as aware UTC. The functions use Django's
connection and block; call them in a thread.
"""
