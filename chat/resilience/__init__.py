"""What keeps a fault or a flood in one place: breakers, back-off, budgets, limits of rates."""
