"""Whether response times of password resets reveal which addresses have an account.

Starts its own servers, a mail server that is slow for each mail, and one web process. Then it asks
alternately for addresses with an account and for others, each once. For an older commit, copy this
file and localstack/smtp_server.py into it.

    .venv/bin/python -m bench.reset_time --times 20
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import tempfile
import time
import urllib.parse
from contextlib import closing
from pathlib import Path

from bench.servers import own_servers
from localstack.smtp_server import smtp_server
from localstack.web_process import web_process

PAGE = "/accounts/password/reset/"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=20, help="addresses of each kind (20)")
    parser.add_argument("--mail-ms", type=int, default=400, help="what the mail server takes (400)")
    given = parser.parse_args()
    with smtp_server() as mail, own_servers(durable=False) as _:
        mail.delay_seconds = given.mail_ms / 1000
        import django

        django.setup()
        from django.core.management import call_command

        from chat.models import User

        call_command("migrate", verbosity=0)
        for number in range(given.times + 1):
            User.objects.create(username=f"user{number}", email=address("known", number))
        with tempfile.TemporaryDirectory() as folder:
            url = f"smtp://127.0.0.1:{mail.port}"
            log = Path(folder) / "web.log"
            # Each request comes from a different address, so that no limit interferes.
            with web_process(log, EMAIL_URL=url, TRUSTED_PROXIES="1") as web:
                measure(web.port, given.times)


def address(kind: str, number: int) -> str:
    return f"{kind}{number}@example.org"


def measure(port: int, times: int) -> None:
    took: dict[str, list[float]] = {"known": [], "unknown": []}
    for number in range(times + 1):
        for kind, spent in took.items():
            spent.append(ask(port, address(kind, number), f"10.{number}.{len(kind)}.1"))
    for kind, spent in took.items():
        of = sorted(milliseconds * 1000 for milliseconds in spent[1:])  # the first one warms up
        print(
            f"{kind:8} median {statistics.median(of):6.1f} ms, "
            f"from {of[0]:.1f} to {of[-1]:.1f} ms, {len(of)} times"
        )


def ask(port: int, email: str, origin: str) -> float:
    """Seconds until the form is answered."""
    headers = {"X-Forwarded-For": origin, "Host": "localhost"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as wire:
        wire.request("GET", PAGE, headers=headers)
        answer = wire.getresponse()
        answer.read()
        cookie = answer.getheader("Set-Cookie", "").split(";")[0]
        token = cookie.partition("=")[2]
        form = urllib.parse.urlencode({"email": email, "csrfmiddlewaretoken": token})
        headers |= {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        began = time.perf_counter()
        wire.request("POST", PAGE, form, headers)
        answer = wire.getresponse()
        answer.read()
        spent = time.perf_counter() - began
    if answer.status != 302:
        raise SystemExit(f"answered {answer.status}")
    return spent


if __name__ == "__main__":
    main()
