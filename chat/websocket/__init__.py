"""The WebSocket entry point: frames in and frames out of one connection."""
