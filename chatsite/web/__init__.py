"""What this installation changes of its web servers: Daphne, uvicorn and static files."""
