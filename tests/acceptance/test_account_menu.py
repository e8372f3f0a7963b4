"""The pages of the account, from the menu and back; what the chat shows before it has loaded."""

from __future__ import annotations

from playwright.sync_api import Browser, Route, expect

from localstack.running_stack import RunningStack
from tests.acceptance.people import People


def test_page_of_the_account_is_in_the_menu_and_leads_back(people: People) -> None:
    page = people.on_phone("anna").page

    for item, heading in (
        ("email", "Email"),
        ("second-factor", "Two-Factor"),
        ("sessions", "Sessions"),
    ):
        page.get_by_test_id("open-menu").click()
        page.get_by_test_id("account").click()
        page.get_by_test_id(item).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        page.get_by_role("link", name="Back to the chat").click()
        expect(page.get_by_test_id("composer")).to_be_visible()


# Ends when something is painted, which may be before it is asked.
PAINTED = """() => new Promise((resolve) => {
    new PerformanceObserver((list) => {
        for (const one of list.getEntries())
            if (one.name === "first-contentful-paint") resolve();
    }).observe({type: "paint", buffered: true});
})"""


def test_sign_in_page_shows_something_before_its_styles_have_come(
    browser: Browser, stack: RunningStack
) -> None:
    held: list[Route] = []
    context = browser.new_context(locale="ru-RU")
    page = context.new_page()
    page.route("**/static/**", lambda route: held.append(route))
    page.goto(f"{stack.address}/accounts/login/", wait_until="commit")

    starting = page.locator(".starting")
    expect(starting).to_contain_text("Загрузка…")
    page.evaluate(PAINTED)

    assert held
    page.unroute("**/static/**")  # lets what is held go on
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(starting).to_be_hidden()
    context.close()


def test_something_is_shown_before_styles_and_scripts_have_come(
    browser: Browser, stack: RunningStack
) -> None:
    held: list[Route] = []
    context = browser.new_context(locale="ru-RU")
    page = context.new_page()
    page.goto(f"{stack.address}/accounts/login/")
    page.locator("input[name=login]").fill("anna")
    page.locator("input[name=password]").fill(stack.accounts()["anna"])
    page.route("**/static/**", lambda route: held.append(route))
    page.locator("form button[type=submit]").first.click(no_wait_after=True)

    starting = page.locator(".starting")
    expect(starting).to_contain_text("Загрузка…")
    # No held request may block it.
    page.evaluate(PAINTED)

    assert held
    page.unroute("**/static/**")  # lets what is held go on
    expect(page.get_by_test_id("composer")).to_be_visible()
    expect(starting).to_have_count(0)
    context.close()
