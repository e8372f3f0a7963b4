"""What is looked at before a process starts to serve."""
