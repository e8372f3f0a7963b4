"""Two people chat while the machinery under them is killed, restarted and stopped."""

from __future__ import annotations

import uuid

from localstack.running_stack import RunningStack
from tests.acceptance.people import People


def said(what: str) -> str:
    """A text that no other test has said."""
    return f"{what} {uuid.uuid4().hex[:8]}"


def test_two_people_chat_and_the_ticks_go_from_logged_to_stored(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    anna.enter("general")
    boris.enter("general")
    question, answer = said("Is it all there?"), said("Every word.")

    anna.write(question)
    boris.sees(question)
    boris.write(answer)

    anna.sees_in_order([question, answer])
    boris.sees_in_order([question, answer])
    anna.sees_state(question, "stored")
    boris.sees_state(answer, "stored")


def test_who_was_offline_comes_back_to_everything_in_order(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.on_phone("boris", is_mobile=True)
    anna.enter("general")
    before, alone, meanwhile = said("before"), said("written offline"), said("said meanwhile")
    anna.write(before)
    boris.sees(before)

    anna.goes_offline()
    anna.write(alone)
    anna.sees_state(alone, "waiting")
    boris.write(meanwhile)
    boris.sees_state(meanwhile, "stored")
    anna.comes_back()

    anna.sees_state(alone, "stored")
    boris.sees_in_order([before, meanwhile, alone])
    anna.sees_in_order([before, meanwhile, alone])


def test_outbox_survives_a_closed_page(people: People) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    anna.enter("general")
    boris.enter("general")
    waiting = said("written before the page was closed")

    anna.goes_offline()
    anna.write(waiting)
    anna.sees_state(waiting, "waiting")
    anna.page.close()
    anna.comes_back()
    anna.page = anna.context.new_page()
    anna.page.goto(people.address)

    boris.sees(waiting)
    anna.sees_state(waiting, "stored")


def test_worker_killed_in_the_middle_stores_everything_once_it_is_back(
    people: People, stack: RunningStack
) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    anna.enter("general")
    boris.enter("general")
    texts = [said(f"line {number}") for number in range(6)]

    for number, text in enumerate(texts):
        anna.write(text)
        if number == 2:
            stack.kill("worker")

    boris.sees_in_order(texts)
    for text in texts:
        anna.sees_state(text, "stored")


def test_web_process_killed_and_restarted_loses_nothing(
    people: People, stack: RunningStack
) -> None:
    anna, boris = people.at_desk("anna"), people.at_desk("boris")
    anna.enter("general")
    boris.enter("general")
    before, during = said("before the kill"), said("while the server is away")
    anna.write(before)
    boris.sees(before)

    stack.kill("web")
    anna.write(during)
    boris.sees(during)

    anna.sees_state(during, "stored")
    boris.sees_in_order([before, during])
    anna.sees_in_order([before, during])


def test_everything_is_stopped_and_started_again_and_history_is_complete(
    people: People, stack: RunningStack
) -> None:
    anna = people.at_desk("anna")
    anna.enter("general")
    texts = [said(f"to be kept {number}") for number in range(3)]
    for text in texts:
        anna.write(text)
    anna.sees_state(texts[-1], "stored")

    stack.stop()
    stack.start()
    boris = people.at_desk("boris")
    boris.enter("general")

    boris.sees_in_order(texts)
    anna.sees_in_order(texts)
