"""Accounts: signing in, sessions, tokens, tickets, and other proof of who somebody is."""
