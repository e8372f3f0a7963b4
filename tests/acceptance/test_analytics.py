"""The analytics page in a browser: live, for the right people, by keyboard, in every dress."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.acceptance.conftest import SHOTS
from tests.acceptance.people import PATIENCE_MS, People, Person

ALL_DRAWN = """() => {
    const cards = [...document.querySelectorAll("[data-card]:not([hidden])")];
    const states = cards.map((card) => card.dataset.state);
    return cards.length > 0 && states.every((state) => ["ready", "empty"].includes(state));
}"""

CREATE_ROOM = """async (name) => {
    const { csrfToken } = JSON.parse(document.getElementById("veche-page").textContent);
    const answer = await fetch("/api/v1/rooms", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken },
        body: JSON.stringify({ name, kind: "private" }),
    });
    return (await answer.json()).id;
}"""


# A room is found once its first event is counted.
IS_COUNTED = """async (name) => {
    const answer = await fetch(`/api/v1/analytics/rooms?q=${encodeURIComponent(name)}`);
    return (await answer.json()).rooms.length > 0;
}"""

# So many messages of a room are counted: charts are drawn once and then only at leisure.
HAS_MESSAGES = """async ([room, messages]) => {
    const answer = await fetch(`/api/v1/analytics/totals?room=${room}&period=24h`);
    return (await answer.json()).rows?.[0].messages === messages;
}"""

# What went wrong in the pages of a test: exceptions, and all that browsers tell as errors, such as
# violations of the content security policy.
TROUBLES: list[str] = []


@pytest.fixture(autouse=True)
def no_trouble_in_the_pages() -> Iterator[None]:
    TROUBLES.clear()
    yield
    assert TROUBLES == []


def note(said: ConsoleMessage) -> None:
    if said.type == "error":
        TROUBLES.append(said.text)


def open_analytics(person: Person, address: str, query: str = "") -> Page:
    """A second tab of the person, or the first if it is blank, with every chart drawn."""
    page = person.page if person.page.url == "about:blank" else person.context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: TROUBLES.append(str(error)))
    page.on("console", note)
    page.goto(f"{address}/analytics/{query}")
    drawn(page)
    return page


def drawn(page: Page) -> None:
    page.wait_for_function(ALL_DRAWN, timeout=PATIENCE_MS)


def counter(page: Page, name: str) -> int:
    value = page.get_by_test_id(f"counter-{name}").get_attribute("data-value")
    return int(float(value or "nan"))


def number(shown: str) -> int:
    """A number as an English page shows it, with separated thousands."""
    return int(shown.replace(",", ""))


def expect_counter(page: Page, name: str, value: int) -> None:
    expect(page.get_by_test_id(f"counter-{name}")).to_have_attribute(
        "data-value", str(value), timeout=PATIENCE_MS
    )


def room_of(person: Person, name: str) -> int:
    """A room that the person owns."""
    room: int = person.page.evaluate(CREATE_ROOM, name)
    return room


def test_counters_move_when_a_message_is_written(people: People) -> None:
    anna = people.elsewhere("anna")
    people.post("boris", f"good morning {uuid.uuid4().hex[:8]}")
    page = open_analytics(anna, people.address, "?period=24h")
    expect(page.get_by_test_id("counter-messages")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_test_id("freshness")).to_have_attribute(
        "data-phase", "live", timeout=PATIENCE_MS
    )
    before = counter(page, "messages")

    for one in range(3):
        people.post("boris", f"and {one} {uuid.uuid4().hex[:8]}")

    # The very first message may have been counted before the page was open, or after.
    expect(page.get_by_test_id("counter-messages")).to_have_attribute(
        "data-value", re.compile(f"^({before + 3}|{before + 4})$"), timeout=PATIENCE_MS
    )
    assert number(page.get_by_test_id("last-hour").inner_text()) >= 3


def test_owner_finds_the_numbers_of_the_room_in_its_settings_and_nobody_else_does(
    people: People,
) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    name = f"Samovar {uuid.uuid4().hex[:6]}"
    address = people.address
    assert boris.page.request.get(f"{address}/analytics/").status in {200, 403}

    room = room_of(boris, name)
    boris.page.goto(f"{address}/")
    boris.page.locator("[data-testid=room-item]").filter(has_text=name).click()
    boris.write("tea?")
    boris.page.wait_for_function(HAS_MESSAGES, arg=[room, 1], polling=200, timeout=PATIENCE_MS)
    boris.page.get_by_test_id("room-settings").click()
    boris.page.get_by_test_id("room-analytics").click()

    expect(boris.page.get_by_test_id("room-picker")).to_have_value(f"# {name}")
    drawn(boris.page)
    expect_counter(boris.page, "messages", 1)
    expect(boris.page.get_by_test_id("card-people")).to_contain_text("Boris", timeout=PATIENCE_MS)
    expect(boris.page.get_by_test_id("counter-rooms")).to_have_count(0)
    # Anna administers: she may see it, too. A room of hers is not for Boris.
    annas = room_of(anna, f"Secret {uuid.uuid4().hex[:6]}")
    assert anna.page.request.get(f"{address}/analytics/?room={room}").status == 200
    assert boris.page.request.get(f"{address}/analytics/?room={annas}").status == 404
    assert boris.page.request.get(f"{address}/analytics/?room=999999").status == 404


def test_every_chart_has_its_table_and_csv_by_keyboard_alone(people: People) -> None:
    anna = people.at_desk("anna")
    # A room in which nobody writes between one look and the other.
    room = room_of(anna, f"Counted {uuid.uuid4().hex[:6]}")
    anna.page.locator(f"[data-testid=room-item][data-room-id='{room}']").click()
    expect(anna.page.get_by_test_id("room-title")).to_contain_text("Counted")
    anna.write("something to count")
    anna.page.wait_for_function(HAS_MESSAGES, arg=[room, 1], polling=200, timeout=PATIENCE_MS)
    page = open_analytics(anna, people.address, f"?room={room}&period=24h")
    expect_counter(page, "messages", 1)
    card = page.get_by_test_id("card-activity")
    expect(card.locator("canvas")).to_be_visible(timeout=PATIENCE_MS)

    # From the top of the page with nothing but Tab.
    toggle = card.get_by_role("button", name="Table")
    for _ in range(40):
        page.keyboard.press("Tab")
        if toggle.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    table = card.get_by_role("table")
    expect(table).to_be_visible()
    page.keyboard.press("Tab")
    with page.expect_download() as download:
        page.keyboard.press("Enter")

    text = Path(download.value.path()).read_text("utf-8-sig")
    in_csv = [int(row["messages"]) for row in csv.DictReader(io.StringIO(text))]
    cells = [row.locator("td").first for row in table.locator("tbody tr").all()]
    assert in_csv == [number(cell.inner_text()) for cell in cells]
    assert sum(in_csv) == 1
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(card.locator("canvas")).to_be_visible()
    page = open_analytics(anna, people.address, "?period=24h")
    for other in page.locator("[data-card]:not([hidden])[data-state=ready]").all():
        other.get_by_role("button", name="Table").click()
        expect(other.get_by_role("table")).to_be_visible()


def test_room_is_found_by_typing_and_chosen_with_the_arrow_keys(people: People) -> None:
    anna = people.at_desk("anna")
    name = f"Кухня {uuid.uuid4().hex[:6]}"
    room = room_of(anna, name)
    page = open_analytics(anna, people.address)
    picker = page.get_by_test_id("room-picker")
    expect(picker).to_have_value("All rooms")

    page.wait_for_function(IS_COUNTED, arg=name, polling=200, timeout=PATIENCE_MS)
    picker.click()
    expect(page.get_by_role("option", name=f"# {name}")).to_be_visible()
    picker.fill(name)
    expect(page.get_by_role("option")).to_have_count(1, timeout=PATIENCE_MS)
    picker.press("ArrowDown")
    picker.press("Enter")

    expect(picker).to_have_value(f"# {name}")
    expect(page).to_have_url(re.compile(f"room={room}"))
    drawn(page)
    expect(page.get_by_test_id("card-words")).to_be_visible()
    page.go_back()
    expect(page.get_by_test_id("room-picker")).to_have_value("All rooms", timeout=PATIENCE_MS)


def test_empty_period_says_what_to_do_and_does_it(people: People) -> None:
    anna = people.elsewhere("anna")
    page = open_analytics(anna, people.address, "?from=2021-01-01&to=2021-01-05")
    card = page.get_by_test_id("card-activity")
    expect(card).to_contain_text("No messages in this period")

    card.get_by_role("button", name="Show a year").click()

    drawn(page)
    expect(page).to_have_url(re.compile("period=365d"))
    expect(page.get_by_role("radio", name="Year")).to_be_checked()


def test_dates_the_wrong_way_round_are_refused_before_they_are_asked(people: People) -> None:
    anna = people.elsewhere("anna")
    page = open_analytics(anna, people.address)

    page.get_by_role("radio", name="Dates…").check(force=True)
    page.get_by_label("First day").fill("2026-03-02")
    page.get_by_label("Last day").fill("2026-03-01")
    page.get_by_role("button", name="Show", exact=True).click()

    assert page.get_by_label("Last day").evaluate("input => input.validationMessage")
    expect(page).not_to_have_url(re.compile("from="))
    page.get_by_label("Last day").fill("2026-03-05")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(re.compile("from=2026-03-02&to=2026-03-05"))


def test_what_cannot_be_loaded_says_so_and_comes_back(people: People) -> None:
    page = people.elsewhere("anna").page
    away = re.compile(r"/api/v1/analytics/hours")
    page.route(away, lambda route: route.abort())
    page.goto(f"{people.address}/analytics/")
    card = page.get_by_test_id("card-hours")
    expect(card).to_contain_text("The server cannot be reached.", timeout=PATIENCE_MS)

    page.unroute(away)
    card.get_by_role("button", name="Try again").click()

    expect(card).not_to_contain_text("cannot be reached", timeout=PATIENCE_MS)
    drawn(page)


def test_page_fits_and_speaks_in_every_dress(people: People) -> None:
    # Hours that begin at half past in UTC.
    anna = people.elsewhere("anna", timezone_id="Asia/Kolkata")
    page = open_analytics(anna, people.address, "?period=24h")
    for width, height in ((1280, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        for language in ("en", "ru"):
            anna.context.add_cookies(
                [{"name": "django_language", "value": language, "url": people.address}]
            )
            page.reload()
            drawn(page)
            texts = page.locator("main").inner_text()
            title = {"en": "Analytics", "ru": "Аналитика"}[language]
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            assert ("Последний час" in texts) == (language == "ru")
            assert ("Last hour" in texts) == (language == "en")
            assert re.search("Asia/(Kolkata|Calcutta)", texts)
            schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
            for scheme in schemes:
                page.emulate_media(color_scheme=scheme)
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
                keep(page, f"analytics-{width}-{scheme}-{language}")


# What the browser of a machine without a time zone says, and does not take back; and one that only
# the browser knows.
NAMED_ZONE = """zone => {
    const real = Intl.DateTimeFormat;
    function Format(locales, options) {
        if (options?.timeZone === zone) {
            if (zone === "Etc/Unknown") throw new RangeError(zone);
            options = {...options, timeZone: "UTC"};
        }
        const made = new real(locales, options);
        const resolved = made.resolvedOptions.bind(made);
        made.resolvedOptions = () => ({...resolved(), timeZone: options?.timeZone ?? zone});
        return made;
    }
    Format.supportedLocalesOf = real.supportedLocalesOf;
    Intl.DateTimeFormat = Format;
}"""


@pytest.mark.parametrize("zone", ["Etc/Unknown", "Mars/Olympus"])
def test_zone_that_nobody_knows_leaves_the_cards_working_in_utc(people: People, zone: str) -> None:
    people.post("boris", f"before the numbers {uuid.uuid4().hex[:8]}")
    page = people.elsewhere("anna").page
    page.add_init_script(f"({NAMED_ZONE})({zone!r})")
    page.on("pageerror", lambda error: TROUBLES.append(str(error)))

    page.goto(f"{people.address}/analytics/?period=24h")
    drawn(page)

    expect(page.locator("main")).to_contain_text("UTC time")
    expect(page.get_by_test_id("last-hour")).to_be_visible()
    assert zone not in page.locator("main").inner_text()


def keep(page: Page, name: str) -> None:
    """A picture, to be looked at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
