"""Moderators at the pages of the admin, and what they do there."""

from __future__ import annotations

import csv
import uuid
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from localstack.running_stack import RunningStack
from tests.acceptance.desk import PHONE
from tests.acceptance.people import PATIENCE_MS, People

# Code in dead letters and messages must never run.
SCRIPT = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
MAKE_LETTERS = """
from chat import dead_letters
from chat.dead_letters import DeadLetterOrigin, Reason
for number in range(120):
    dead_letters.add(
        source="persist", reason=Reason.NO_ROOM, error={script!r}, payload={script!r}.encode(),
        origin=DeadLetterOrigin(shard=1, room=999999, seq=number + 1, key={key!r}),
    )
"""


def test_menu_of_a_phone_opens(desks: Any) -> None:
    phone = desks(PHONE)

    # It needs the library that the policy lets evaluate.
    phone.open("/admin/")
    phone.page.get_by_text("dock_to_right").locator("visible=true").click()

    expect(phone.page.get_by_role("link", name="History").first).to_be_visible()
    phone.shoot("menu-phone")


def test_admin_speaks_russian(desks: Any) -> None:
    russian = desks(locale="ru-RU")
    pages = {
        "history": "history/",
        "delivery": "delivery/?room=general",
        "dead-letters": "dead-letters/",
        "person": "chat/user/2/change/",
        "start": "",
    }

    for name, path in pages.items():
        russian.open(f"/admin/{path}")
        russian.shoot(f"{name}-russian")

    expect(russian.page.get_by_text("Что требует внимания сейчас")).to_be_visible()


def test_moderator_deletes_a_message_and_it_vanishes_from_the_open_chat(
    desks: Any, people: People
) -> None:
    text = f"to be deleted {uuid.uuid4().hex[:8]}"
    people.post("boris", text)
    anna = people.at_desk("anna")
    anna.enter("general")
    anna.sees(text)
    desk = desks()
    desk.open(f"/admin/history/?q={text.split()[-1]}")

    desk.page.locator("input[name=ids]").first.check()
    desk.page.get_by_role("button", name="For the selected …").click()
    expect(desk.page.get_by_text(text)).to_be_visible()
    desk.shoot("act-preview")
    desk.page.locator("textarea[name=why]").fill("an acceptance test")
    desk.page.get_by_role("button", name="Delete", exact=True).click()

    expect(desk.page.get_by_text("done", exact=True)).to_be_visible()
    desk.shoot("acted")
    expect(anna.message(text)).to_have_count(0, timeout=PATIENCE_MS)
    desk.open("/admin/audit/?q=acceptance")
    expect(desk.page.get_by_role("cell", name="message.delete").first).to_be_visible()


def test_bulk_discard_moves_by_itself_and_ends(desks: Any, stack: RunningStack) -> None:
    stack.shell(MAKE_LETTERS.format(script=SCRIPT, key=uuid.uuid4().hex))
    desk = desks()
    desk.open("/admin/dead-letters/?reason=no_room")

    desk.page.locator("select[name=scope]").select_option("all")
    desk.page.get_by_role("button", name="Discard …").click()
    desk.page.locator("textarea[name=why]").fill("an acceptance test")
    desk.page.get_by_role("button", name="Discard", exact=True).click()

    expect(desk.page.get_by_text("finished")).to_be_visible(timeout=PATIENCE_MS)
    expect(desk.page.get_by_role("button", name="Stop here")).to_be_hidden()
    desk.shoot("bulk-discard")
    desk.open("/admin/dead-letters/?reason=no_room")
    expect(desk.page.get_by_text("No dead letter matches.")).to_be_visible()


def test_room_is_verified_and_the_page_moves_by_itself(desks: Any, people: People) -> None:
    people.at_desk("boris").enter("general")  # so that a web process has a hub
    desk = desks()
    desk.open("/admin/delivery/?room=general")

    desk.page.get_by_role("button", name="Verify the delivery").click()

    expect(desk.page.get_by_text("No difference")).to_be_visible(timeout=PATIENCE_MS)
    desk.open("/admin/delivery/")
    expect(desk.page.get_by_text("closed", exact=True).first).to_be_visible(timeout=PATIENCE_MS)
    desk.shoot("delivery-live")


def test_export_shows_its_progress_and_ends_as_a_file(
    desks: Any, people: People, tmp_path: Path
) -> None:
    text = f"=1+1 {uuid.uuid4().hex[:8]}"
    people.post("boris", text)
    desk = desks()
    desk.open("/admin/history/export/?room=general")

    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "history.csv")

    expect(desk.page.get_by_text("The file is in your downloads.")).to_be_visible()
    with (tmp_path / "history.csv").open(newline="", encoding="utf-8") as file:
        assert f"'{text}" in [row["body"] for row in csv.DictReader(file)]
