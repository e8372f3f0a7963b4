"""People at their browsers, as the acceptance tests speak of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from localstack.chromium import sign_in
from localstack.running_stack import RunningStack

# Restarts of a part take the supervisor's pause and the part's own start. All that tests wait for
# has so long: what takes a moment alone takes seconds on a machine with other work.
PATIENCE_MS = 60_000

POST = """
import time
from uuid_utils.compat import uuid7
from chat.actions import messages, rooms
from chat.actions.event_loop import run_actions
from chat.models import Room, User

person, room = User.objects.get(username={name!r}).pk, Room.objects.get(slug={room!r}).pk

async def write():
    await rooms.join_room(person, room)
    for text in {texts!r}:
        posted = await messages.post_message(person, room, str(uuid7()), text)
    return posted.event.seq

last = run_actions(write())
deadline = time.monotonic() + {seconds!r}
while Room.objects.get(pk=room).stored_seq < last:
    assert time.monotonic() < deadline, "the worker stores nothing"
    time.sleep(0.05)  # between two looks at another process's work
"""

# Of those who have signed in, by user name: the cookies of one session, as they were at first.
SignedIn = dict[str, list[Any]]


class Person:
    """One person with one browser window, signed in and in a room."""

    def __init__(self, name: str, context: BrowserContext, page: Page) -> None:
        self.name = name
        self.context = context
        self.page = page
        page.set_default_timeout(PATIENCE_MS)

    def sign_in(self, address: str, password: str) -> None:
        sign_in(self.page, address, self.name, password)

    def open(self, address: str) -> None:
        """The chat, with the cookies of somebody signed in."""
        self.page.goto(address)
        expect(self.page.get_by_test_id("room-list")).to_be_visible(timeout=PATIENCE_MS)

    def enter(self, room_slug: str) -> None:
        item = self.page.locator(f"[data-testid=room-item][data-room-slug={room_slug}]")
        item.click()
        # The address changes first and the page a moment later, and the room before had a composer.
        expect(item).to_have_attribute("aria-current", "page", timeout=PATIENCE_MS)
        expect(self.page.get_by_test_id("composer")).to_be_visible(timeout=PATIENCE_MS)

    def write(self, text: str) -> None:
        composer = self.page.get_by_test_id("composer")
        composer.fill(text)
        if composer.get_attribute("enterkeyhint") == "enter":
            # On a phone Enter is a new line.
            self.page.get_by_test_id("send").click()
        else:
            composer.press("Enter")

    def message(self, text: str) -> Locator:
        return self.page.get_by_test_id("message").filter(has_text=text)

    def sees(self, text: str) -> None:
        expect(self.message(text)).to_be_visible(timeout=PATIENCE_MS)

    def sees_state(self, text: str, state: str) -> None:
        """`state` is what the ticks show: waiting, logged or stored."""
        expect(self.message(text)).to_have_attribute("data-state", state, timeout=PATIENCE_MS)

    def sees_in_order(self, texts: list[str]) -> None:
        """Each of `texts` once, in this order, whatever else is around them."""
        for text in texts:
            expect(self.message(text)).to_have_count(1, timeout=PATIENCE_MS)
        shown = self.page.get_by_test_id("message").all_inner_texts()
        places = [next(i for i, one in enumerate(shown) if text in one) for text in texts]
        assert places == sorted(places), f"{texts} stand at {places}"

    def goes_offline(self) -> None:
        self.context.set_offline(True)

    def comes_back(self) -> None:
        self.context.set_offline(False)


class People:
    """Everybody in one test.

    Whoever comes for the first time in a run signs in by the form, and so does who comes twice in a
    test, as from a second device. Others go on with the session of the first time: so many
    sign-ins would take minutes, and on a fast machine more than one address may have.
    """

    def __init__(self, browser: Browser, stack: RunningStack, signed_in: SignedIn) -> None:
        self._browser = browser
        self._stack = stack
        self._signed_in = signed_in
        self.address = stack.address
        self._people: list[Person] = []

    def at_desk(self, name: str, **options: Any) -> Person:
        """A person at 1280 px, signed in and in #general; one of the demo's without `password`."""
        return self._arrive(name, 1280, 800, **options)

    def on_phone(self, name: str, **options: Any) -> Person:
        """The same at 390 px."""
        return self._arrive(name, 390, 844, **options)

    def elsewhere(self, name: str, **options: Any) -> Person:
        """A person of the demo at a desk, signed in, with a page that need not be the chat."""
        return self._arrive(name, 1280, 800, chat=False, **options)

    def newcomer(self, name: str, **options: Any) -> Person:
        """Somebody at a desk whose account is made now."""
        return self.at_desk(name, password=self.make_account(name), **options)

    def newcomer_on_phone(self, name: str, **options: Any) -> Person:
        return self.on_phone(name, password=self.make_account(name), **options)

    def make_account(self, name: str) -> str:
        """Its password."""
        password = f"{name}!"
        make = f"User.objects.create_user({name!r}, password={password!r})"
        self._stack.shell(f"from chat.models import User; {make}")
        return password

    def post(self, name: str, *texts: str, room: str = "general") -> None:
        """Somebody who has no window here enters a public room and writes; all of it is stored."""
        post(self._stack, name, *texts, room=room)

    def _arrive(
        self,
        name: str,
        width: int,
        height: int,
        *,
        password: str | None = None,
        anew: bool = False,
        chat: bool = True,
        **options: Any,
    ) -> Person:
        """`anew`: in a new session, in which nothing was done before."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, locale="en-GB", **options
        )
        person = Person(name, context, context.new_page())
        is_second = any(other.name == name for other in self._people)
        self._people.append(person)
        if name in self._signed_in and not is_second and not anew:
            context.add_cookies(self._signed_in[name])
            if chat:
                person.open(self._stack.address)
            return person
        person.sign_in(self._stack.address, password or self._stack.accounts()[name])
        if not anew:
            self._signed_in.setdefault(name, context.cookies())
        return person

    def leave(self, shots: Path, test: str) -> None:
        shots.mkdir(parents=True, exist_ok=True)
        for person in self._people:
            person.page.screenshot(path=shots / f"{test}-{person.name}.png")
            person.context.close()


def post(stack: RunningStack, name: str, *texts: str, room: str = "general") -> None:
    """See `People.post`."""
    seconds = PATIENCE_MS / 1_000
    stack.shell(POST.format(name=name, room=room, texts=texts, seconds=seconds))


def told(page: Page) -> Locator:
    """What a page of the account says has been done; not that it is loading."""
    return page.locator("[role=status]:not(.starting)")
