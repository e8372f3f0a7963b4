"""`python -m deploy.grafana.generator`: write every dashboard again."""

from __future__ import annotations

from deploy.grafana.generator.boards import BOARDS, FOLDER

for board in BOARDS:
    (FOLDER / f"{board.name}.json").write_text(board.as_json())
