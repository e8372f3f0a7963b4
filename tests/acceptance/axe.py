"""What axe-core, the checker of accessibility, finds on a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

SOURCE = Path(__file__).resolve().parents[2] / "chat/ui/node_modules/axe-core/axe.min.js"

# Opacity on the way in is no contrast.
RUN = """async (without) => {
    await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})));
    const where = {include: document, exclude: without};
    const {violations} = await axe.run(where, {resultTypes: ["violations"]});
    return violations.flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html}
        ${node.failureSummary}`));
}"""


def faults(page: Page, *, without: tuple[str, ...] = ()) -> list[str]:
    """Each as the rule that is broken, the element and how to fix it; [] if there is none.

    All rules are asked that axe knows for WCAG 2 A and AA and for good practice. `without` are
    selectors of what a library makes and is left alone.
    """
    if not page.evaluate("'axe' in window"):  # a page is looked at in many states
        page.evaluate(SOURCE.read_text())
    found: list[str] = page.evaluate(RUN, list(without))
    return found
