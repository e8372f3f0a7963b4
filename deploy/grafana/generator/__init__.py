"""Makes the dashboards of deploy/grafana/dashboards: `make dashboards`.

A module for each dashboard says what is on it; `panels` and `board` say how that looks. Metrics
are those of `chat.metrics.catalogue`. Gauges of the whole installation are the same from every web
process, so queries take their maximum; counters are summed over the processes.
"""
