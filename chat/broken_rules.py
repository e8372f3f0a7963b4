"""The rules that no JSON Schema tells: what has the right form and is refused all the same. Pure.

Refusals for the form (`bad_request`, `too_large`, `empty`) follow from the schemas of the OpenAPI
and AsyncAPI documents. A refusal with one of these codes for anything else names the rule, here
and in the answer, so that programs, and the tests of the documents, can tell the two apart.
"""

from __future__ import annotations

from enum import StrEnum


class Rule(StrEnum):
    """The name of a rule, as answers give it in `rule`."""

    KEY_NOT_OF_THE_FUTURE = "key_not_of_the_future"
    MARK_NOT_OF_THE_FUTURE = "mark_not_of_the_future"
    KEY_OF_AN_ACT_IS_RECENT = "key_of_an_act_is_recent"
    KNOWN_CHARACTERS = "known_characters"
    MORE_THAN_MARKS = "more_than_marks"
    LENGTH_IN_NORMAL_FORM = "length_in_normal_form"
    ONE_ALPHABET = "one_alphabet"
    ONE_EMOJI = "one_emoji"
    ONE_HELLO = "one_hello"
    SEEN_WAS_SENT = "seen_was_sent"
    IDS_OR_Q = "ids_or_q"
    QUICK_SEARCH = "quick_search"
    SEARCH_OPERATORS = "search_operators"
    CURSOR_FROM_AN_ANSWER = "cursor_from_an_answer"
    KNOWN_TIME_ZONE = "known_time_zone"
    NOT_DIRECT = "not_direct"
    SOMEBODY_ELSE = "somebody_else"
    NOT_ONES_OWN = "not_ones_own"
    HAS_AUTHOR = "has_author"
    IS_DELETED = "is_deleted"


SENTENCES = {
    Rule.KEY_NOT_OF_THE_FUTURE: "The key's time is at most 5 min ahead of the server's clock.",
    Rule.MARK_NOT_OF_THE_FUTURE: "`set_at_ms` is at most 5 min ahead of the server's clock.",
    Rule.KEY_OF_AN_ACT_IS_RECENT: "The key was made in the last 5 h, or its act is on record.",
    Rule.KNOWN_CHARACTERS: "The server's Unicode has all characters, and none is for private use.",
    Rule.MORE_THAN_MARKS: "At least one character is more than a combining mark.",
    Rule.LENGTH_IN_NORMAL_FORM: "The length is counted in Unicode's normalization form C.",
    Rule.ONE_ALPHABET: "No word mixes letters of two alphabets that look alike.",
    Rule.ONE_EMOJI: "A reaction is one emoji.",
    Rule.ONE_HELLO: "A connection says `hello` once.",
    Rule.SEEN_WAS_SENT: "Only frames that were sent are confirmed.",
    Rule.IDS_OR_Q: "Either `ids` or `q` is given.",
    Rule.QUICK_SEARCH: "The words are rare enough to be found in time.",
    Rule.SEARCH_OPERATORS: "People, rooms, dates and values that operators name exist; 20 at most.",
    Rule.CURSOR_FROM_AN_ANSWER: "A cursor comes from the answer before.",
    Rule.KNOWN_TIME_ZONE: "The server knows the time zone.",
    Rule.NOT_DIRECT: "A direct conversation always has the same two people.",
    Rule.SOMEBODY_ELSE: "A direct conversation is with another person.",
    Rule.NOT_ONES_OWN: "The message is not the reporter's own.",
    Rule.HAS_AUTHOR: "The message has an author.",
    Rule.IS_DELETED: "The message is deleted, and its deletion is stored.",
}
