"""What the analytics need of the chat, and the chat of the analytics: neither knows the other."""
