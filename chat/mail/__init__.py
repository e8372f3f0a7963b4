"""Mail, which waits in PostgreSQL until a worker has sent it."""
