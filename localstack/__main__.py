"""`python -m localstack run|cluster`: all of Veche on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from localstack import cluster, stack
from localstack.installation import PROJECT

parser = argparse.ArgumentParser(prog="python -m localstack", description=__doc__)
parser.add_argument("command", choices=["run", "cluster"])
parser.add_argument("--data", type=Path, default=PROJECT / "var", help="folder of all data")
given = parser.parse_args()
sys.exit({"run": stack.main, "cluster": cluster.main}[given.command](given.data))
