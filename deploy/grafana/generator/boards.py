"""All dashboards, in the order in which they are linked."""

from __future__ import annotations

from pathlib import Path

from deploy.grafana.generator.activity import ACTIVITY
from deploy.grafana.generator.delivery import DELIVERY
from deploy.grafana.generator.infrastructure import INFRASTRUCTURE
from deploy.grafana.generator.workers import WORKERS

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"
BOARDS = (ACTIVITY, DELIVERY, WORKERS, INFRASTRUCTURE)
