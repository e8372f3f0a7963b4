"""`manage.py dead_letters list|show|retry|discard|export`: what failed, and what to do about it."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO, cast

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from chat import dead_letters
from chat.dead_letters import DeadLetter, Filter, Outcome, Reason, Result, State, rendering
from chat.management.dead_letter_tables import details_of, table_of
from chat.management.moments import moment

DONE, NOT_ALL, AWAY, INTERRUPTED = 0, 1, 2, 130
GOOD = {Outcome.DONE, Outcome.SENT}
MAX_SHOWN_FAILURES = 20


class Command(BaseCommand):
    help = (
        "Lists, shows, retries, discards and exports dead letters: what could not be stored, "
        "exported or carried out, kept with its bytes and the reason. Exit code 0: done; 1: not "
        "done for all dead letters; 2: the log server is unreachable, or wrong usage."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)

        listing = actions.add_parser("list", help="dead letters, oldest first, a page at a time")
        add_filter(listing)
        listing.add_argument("--limit", type=int, default=50, help="dead letters on a page (50)")
        listing.add_argument("--after", metavar="ID", help="continue after this one")
        listing.add_argument("--newest", action="store_true", help="newest first")
        listing.add_argument("--json", action="store_true", help="one dead letter a line, as JSON")

        show = actions.add_parser("show", help="everything that is known about one dead letter")
        show.add_argument("id")
        show.add_argument(
            "--show-payload",
            action="store_true",
            help="with what people wrote: think about who sees it",
        )
        show.add_argument("--json", action="store_true", help="as JSON, with the payload in base64")

        retry = actions.add_parser("retry", help="tries again now, due or not, parked or not")
        add_choice(retry)

        discard = actions.add_parser(
            "discard", help="discards dead letters, for good and on record"
        )
        add_choice(discard)
        discard.add_argument("--why", required=True, help="the reason, for whoever asks later")
        discard.add_argument("--yes", action="store_true", help="do not ask for confirmation")

        export = actions.add_parser(
            "export", help="writes dead letters as JSON lines, oldest first"
        )
        add_filter(export)
        export.add_argument("--output", metavar="FILE", help="instead of standard output")
        export.add_argument(
            "--show-payload",
            action="store_true",
            help="with payloads, in base64: what people wrote",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            code = getattr(self, f"do_{options['action']}")(options)
        except (RedisError, OperationalError) as error:
            # Only the kind: the text may contain the server's address.
            who = "PostgreSQL" if isinstance(error, OperationalError) else "The log server"
            raise CommandError(
                f"{who} does not answer ({type(error).__name__}).", returncode=AWAY
            ) from error
        if code:
            sys.exit(code)

    def do_list(self, options: dict[str, Any]) -> int:
        letters, following = self._page(options)
        if options["json"]:
            for letter in letters:
                self._write_json(rendering.as_json(letter, show_words=False))
            return DONE
        counts = dead_letters.counts()
        self._print(table_of(letters))
        self._print(
            f"{len(letters):,} shown; in all {counts.total:,}: {counts.waiting:,} waiting for "
            f"their next attempt, {counts.parked:,} parked."
        )
        if following is not None:
            self._print(f"More: --after {following}")
        return DONE

    def do_show(self, options: dict[str, Any]) -> int:
        letter = dead_letters.get(options["id"])
        if letter is None:
            return self._missing(options["id"])
        if options["json"]:
            self._write_json(rendering.as_json(letter, show_words=options["show_payload"]))
        else:
            self._print(details_of(letter, show_words=options["show_payload"]))
        return DONE

    def do_retry(self, options: dict[str, Any]) -> int:
        def retry(ids: Iterable[str]) -> Iterator[Result]:
            return dead_letters.retry(ids, by=options["by"])

        return self._bulk(options, "retried", retry)

    def do_discard(self, options: dict[str, Any]) -> int:
        if not options["ids"] and not options["yes"]:
            self._ask("Discard all letters that match, with their content?")

        def discard(ids: Iterable[str]) -> Iterator[Result]:
            return dead_letters.discard(ids, why=options["why"], by=options["by"])

        try:
            return self._bulk(options, "discarded", discard)
        except ValueError as error:
            raise CommandError(str(error)) from error

    def do_export(self, options: dict[str, Any]) -> int:
        show_words = options["show_payload"]
        whole, short = dead_letters.store.WHOLE_VALUE, dead_letters.listing.VALUE_BYTES
        letters = dead_letters.every(filter_of(options), value_bytes=whole if show_words else short)
        total = dead_letters.counts().total
        written = 0

        def write(output: TextIO) -> None:
            nonlocal written
            for letter in with_progress(letters, "exported", total):
                line = msgspec.json.encode(rendering.as_json(letter, show_words=show_words))
                output.write(line.decode() + "\n")
                written += 1

        if options["output"] is None:
            write(self._output)
            return DONE
        try:
            # For its owner alone: with --show-payload it contains what people wrote.
            file = os.open(options["output"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as output:
                write(output)
        except FileExistsError as error:
            raise CommandError("The file exists and is left untouched.") from error
        self.stdout.write(f"{written:,} letters written.")
        return DONE

    # --- helpers ----------------------------------------------------------------------------

    def _page(self, options: dict[str, Any]) -> tuple[list[DeadLetter], str | None]:
        """One page of matches, full if there are that many, however far apart they are."""
        wanted, limit, after = filter_of(options), max(options["limit"], 1), options["after"]
        found: list[DeadLetter] = []
        while True:
            try:
                page = dead_letters.page(
                    wanted, limit=limit - len(found), after=after, newest_first=options["newest"]
                )
            except ValueError as error:
                raise CommandError(str(error)) from error
            found += page.letters
            after = page.next
            if after is None or len(found) >= limit:
                return found, after

    def _bulk(
        self,
        options: dict[str, Any],
        what: str,
        act: Callable[[Iterable[str]], Iterator[Result]],
    ) -> int:
        ids: Iterable[str] = options["ids"]
        total = len(options["ids"])
        wanted = filter_of(options)
        if not ids:
            if wanted == dead_letters.listing.ALL and not options["all"]:
                raise CommandError("Name letters, a filter, or --all.")
            ids = (letter.id for letter in dead_letters.every(wanted))
            total = dead_letters.counts().total
        outcomes: Counter[Outcome] = Counter()
        failures: list[Result] = []
        interrupted = False
        try:
            for result in with_progress(act(ids), what, total):
                outcomes[result.outcome] += 1
                if result.outcome not in GOOD and len(failures) < MAX_SHOWN_FAILURES:
                    failures.append(result)
                if options["json"]:
                    self._write_json(msgspec.to_builtins(result))
        except KeyboardInterrupt:
            interrupted = True  # dead letters not reached are unchanged
        if not options["json"]:
            for result in failures:
                detail = rendering.escaped(result.detail)
                self._print(f"{rendering.escaped(result.id)}: {result.outcome} {detail}".rstrip())
            summary = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())
            self._print(f"{what}: {summary or 'nothing'}" + (" (stopped)" if interrupted else ""))
        if interrupted:
            return INTERRUPTED
        return NOT_ALL if outcomes.keys() - GOOD else DONE

    def _ask(self, question: str) -> None:
        if not sys.stdin.isatty():
            raise CommandError("Say --yes to discard what a filter matches.")
        if input(f"{question} [y/N] ").strip().lower() != "y":
            raise CommandError("Nothing was discarded.")

    def _missing(self, letter_id: str) -> int:
        self.stderr.write(f"There is no dead letter {rendering.escaped(letter_id)} (any more).")
        return NOT_ALL

    def _print(self, what: Table | str) -> None:
        output = self._output
        # Lines meant for a program are not broken at column 80.
        console = Console(file=output, width=None if output.isatty() else 240, highlight=False)
        console.print(Text(what) if isinstance(what, str) else what)

    @property
    def _output(self) -> TextIO:
        """The file below Django's wrapper, which ends each write with a line break of its own.

        No upstream issue known. If it is renamed, every subcommand fails.
        """
        return cast(TextIO, self.stdout._out)

    def _write_json(self, value: Any) -> None:
        self.stdout.write(msgspec.json.encode(value).decode())


def add_filter(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--source", help="persist, export, analytics, task:<name>, or task: for all"
    )
    parser.add_argument("--reason", choices=[reason.value for reason in Reason])
    parser.add_argument("--room", type=int, help="id of the room it comes from")
    parser.add_argument("--state", choices=[state.value for state in State])
    parser.add_argument("--since", type=moment, help="entered since: 2026-11-22T09:30, or 2h ago")
    parser.add_argument("--until", type=moment, help="entered until then")


def add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID")
    add_filter(parser)
    parser.add_argument("--all", action="store_true", help="all dead letters")
    parser.add_argument("--by", default=getpass.getuser(), help="who does it (your login)")
    parser.add_argument("--json", action="store_true", help="one result a line, as JSON")


def filter_of(options: dict[str, Any]) -> Filter:
    return Filter(
        source=options["source"],
        reason=options["reason"],
        room=options["room"],
        state=None if options["state"] is None else State(options["state"]),
        since=options["since"],
        until=options["until"],
    )


def with_progress(steps: Iterable[Any], what: str, total: int) -> Iterator[Any]:
    """Passes `steps` on, with a progress bar on a terminal."""
    console = Console(stderr=True)
    if total < 2 or not console.is_terminal:
        yield from steps
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        for step in steps:
            progress.advance(task)
            yield step
