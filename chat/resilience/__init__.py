"""Keeps a fault or a flood from spreading: circuit breakers, back-off, budgets, rate limits."""
