"""Files for running Veche on servers. The only Python here makes Grafana's dashboards."""
