"""Template tags: `pieces`, of which the admin is made, and `veche`, which formats values."""
