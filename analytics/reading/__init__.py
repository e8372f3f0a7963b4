"""Reading: who may see which numbers, and the answers to those who ask."""
