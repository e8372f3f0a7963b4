"""Dashboards, and the files by which Grafana finds them."""
