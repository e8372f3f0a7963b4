"""Which metrics and labels a query asks for."""

from __future__ import annotations

import re

from chat.metrics.page import define_all
from chat.metrics.types import DEFINITIONS, Definition

define_all()

# Not ours: Prometheus's own, prometheus_client's, django-prometheus's, the node exporter's. That
# they exist is shown by running every query.
OTHERS = re.compile(r"(up|ALERTS)|(process|django|node)_\w+")
WORDS = re.compile(r"[a-zA-Z_:][\w:]*")
# Operators, functions and what stands between.
LANGUAGE = {
    "sum", "max", "min", "avg", "count", "by", "on", "or", "and", "unless", "rate", "increase",
    "abs", "delta", "label_replace", "histogram_quantile", "absent", "time", "vector",
    "changes", "min_over_time",
}  # fmt: skip


def metrics_in(query: str) -> set[str]:
    """Names of metrics in PromQL, without labels, strings, durations and functions."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", query)
    bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", " ", bare)
    return {word for word in WORDS.findall(bare) if word not in LANGUAGE}


def unknown_metrics(query: str) -> set[str]:
    """Those that neither we nor anybody else defines."""
    return {name for name in metrics_in(query) if not OTHERS.fullmatch(name) and not _is_ours(name)}


def unknown_labels(query: str, legend: str = "") -> set[str]:
    """Labels that a query or its legend names and that none of its metrics has.

    Queries of others' metrics are not looked at.
    """
    names = metrics_in(query)
    if not all(map(_is_ours, names)):
        return set()
    known = {"job", "instance", "le"}
    for name in names:
        known |= definition_of(name).labels.keys()
    named = set(re.findall(r"\{\{(\w+)\}\}", legend))
    for matchers in re.findall(r"\{([^}]*)\}", query):
        named |= set(re.findall(r"(\w+)\s*[=!]", matchers))
    for labels in re.findall(r"\bby\s*\(([^)]*)\)", query):
        named |= set(re.findall(r"\w+", labels))
    return named - known


def definition_of(name: str) -> Definition:
    return DEFINITIONS.get(name) or DEFINITIONS[re.sub(r"_(bucket|sum|count)$", "", name)]


def _is_ours(name: str) -> bool:
    if name in DEFINITIONS and DEFINITIONS[name].type != "histogram":
        return True
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base != name and base in DEFINITIONS and DEFINITIONS[base].type == "histogram"
