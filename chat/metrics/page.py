"""docs/metrics.md, made from the definitions of the metrics."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings

from chat.metrics.types import DEFINITIONS, Definition, Where

HEAD = """\
# Metrics

Made by `manage.py metrics_page` from `chat/metrics/catalogue.py` and
`analytics/counting/metrics.py`; a test compares the two.

Who shows them, and how Prometheus puts the values of several processes together:

| Where | Shown by | Together |
|---|---|---|
| web | `/metrics` of each web process | `sum by (…)`; histograms `sum by (le, …)` |
| worker | each worker on `METRICS_PORT`, its children added up | as above |
| probe | `manage.py probe --every` on `METRICS_PORT` | as above |
| analytics | `manage.py consume_events` on `METRICS_PORT` | as above |
| any process | whichever process does it | as above |
| installation | `/metrics` of every web process, all the same | `max by (…)`, never a sum |

`/metrics` and the port answer this machine only, or whoever brings `METRICS_TOKEN` as a bearer
token. Metrics that do not begin with `veche_` are those of django-prometheus (`django_…`) and of
prometheus_client (`python_…`, `process_…`). Counters and the `_count`, `_sum` and `_bucket` series
of histograms begin at 0 with each process, so look at them through `rate()` or `increase()`.
"""
TITLES = {
    Where.ANY: "Any process",
    Where.WEB: "Web processes",
    Where.WORKER: "Workers",
    Where.PROBE: "The probe",
    Where.ANALYTICS: "The analytics",
    Where.INSTALLATION: "The installation",
}


def text() -> str:
    """The text of docs/metrics.md."""
    define_all()
    parts = [HEAD]
    for where, title in TITLES.items():
        parts += [f"## {title}\n", "| Name | Type, unit | Labels | Meaning |", "|---|---|---|---|"]
        parts += [_row(one) for one in DEFINITIONS.values() if one.where is where]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def define_all() -> None:
    """Import every module that defines metrics, so that `DEFINITIONS` is complete."""
    for module in settings.METRIC_MODULES:
        import_module(module)


def _row(one: Definition) -> str:
    labels = "; ".join(f"`{name}`: {meaning}" for name, meaning in one.labels.items())
    return f"| `{one.name}` | {one.type}, {one.unit} | {labels} | {one.help} |"
