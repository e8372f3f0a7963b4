"""The audit log: who used which right over other people, and which rights there are."""
