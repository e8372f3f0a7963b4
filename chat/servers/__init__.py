"""The shared servers: how to connect to them, what their failures mean, what they keep on disk."""
