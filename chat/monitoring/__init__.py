"""What operators look at: health, the check of delivery, the probe, and numbers of the whole
installation."""
