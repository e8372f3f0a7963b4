"""The socket's door: frames in, frames out, one connection."""
