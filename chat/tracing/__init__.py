"""Which request or event a log line or a span belongs to."""
