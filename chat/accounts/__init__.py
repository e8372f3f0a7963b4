"""Accounts: signing in, sessions, tokens, tickets, and what proves who somebody is."""
