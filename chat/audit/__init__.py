"""The audit log: who did what with a right above others', and which rights there are."""
