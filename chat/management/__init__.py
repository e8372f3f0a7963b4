"""Commands (`manage.py …`), and what they share: demo data, tables of dead letters, times."""
