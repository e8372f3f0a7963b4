"""What operators look at: health, the delivery check, the probe, and metrics of the whole
installation."""
