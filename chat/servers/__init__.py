"""The servers that everybody shares: how one connects, what their failures mean, what they keep
on disk."""
