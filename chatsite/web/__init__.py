"""What this installation changes about its web servers: Daphne, uvicorn and static files."""
