"""Makes the dashboards of deploy/grafana/dashboards: `make dashboards`.

Each dashboard has a module with its content; `panels` and `board` define the looks. Metrics are
those of `chat.metrics.catalogue`. Every web process reports the same gauges of the whole
installation, so queries take their maximum; counters are summed over the processes.
"""
