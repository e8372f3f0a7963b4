"""The admin's site: its routes, its first page, and what it registers."""
