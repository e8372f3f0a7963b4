"""`python -m localstack run`: all of Veche on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from localstack.stack import PROJECT, main

parser = argparse.ArgumentParser(prog="python -m localstack", description=__doc__)
parser.add_argument("command", choices=["run"])
parser.add_argument("--data", type=Path, default=PROJECT / "var", help="folder of all data")
sys.exit(main(parser.parse_args().data))
