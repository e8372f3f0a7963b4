"""How many people chat, how much, and what is refused."""

from __future__ import annotations

from deploy.grafana.generator.board import Board, Choice, Row
from deploy.grafana.generator.panels import Limits, Query, lines, number, percentiles

WEB = '{job="web", instance=~"$instance"}'

NOW = Row(
    "Now",
    [
        number(
            "People writing",
            "People and programs that wrote something in the last five minutes, as far as it is "
            "stored. It falls to 0 when storing stands still: then look at Delivery.",
            "max(veche_people_active)",
        ),
        number(
            "Rooms in use",
            "Rooms in which something happened in the last five minutes.",
            "max(veche_rooms_active)",
        ),
        number(
            "Connections",
            "WebSocket connections of all web processes. A sudden fall means that a process ended "
            "or the gateway lost it; people should be back within seconds.",
            f"sum(veche_sockets{WEB})",
        ),
        number(
            "Messages a minute",
            "Messages that got their place in the log, as an average over the last moments.",
            'sum(rate(veche_events_logged_total{type="message.posted"}[$__rate_interval])) * 60',
        ),
        number(
            "Refused",
            "Share of frames that were answered with an error. Some are normal (rate limits, rooms "
            "that the person has left). If there are many at once, see below which error it is.",
            f"sum(rate(veche_frames_refused_total{WEB}[$__rate_interval]))"
            f" / sum(rate(veche_frames_received_total{WEB}[$__rate_interval]))",
            unit="percentunit",
            limits=Limits(0.05, 0.2),
        ),
        number(
            "Slow readers closed, 1 h",
            "Connections that were closed because they did not keep up; they come back and "
            "catch up. A few are phones in tunnels. If there are many, a room gets more messages "
            "than people's networks can carry, or a program reads and never confirms.",
            f"sum(increase(veche_slow_readers_total{WEB}[1h]))",
            limits=Limits(20, 200),
        ),
    ],
)
MESSAGES = Row(
    "What happens in rooms",
    [
        lines(
            "Events by type",
            "Events that got a place in the log, per second. Flat at 0 with people connected: "
            "nobody can send, see Delivery.",
            Query("sum by (type) (rate(veche_events_logged_total[$__rate_interval]))", "{{type}}"),
            unit="cps",
            stacked=True,
            width=6,
        ),
        lines(
            "Requests to append, by outcome",
            "`repeat`: a request came again and kept its place, as after a lost answer. `refused`: "
            "by the room's rules. `unavailable`: the log did not answer, and the outbox sends the "
            "request again; if it lasts more than a moment, it is an outage.",
            Query("sum by (outcome) (rate(veche_appends_total[$__rate_interval]))", "{{outcome}}"),
            unit="cps",
            runbook="breaker-open",
            width=6,
        ),
        lines(
            "Refused frames, by error",
            "`rate_limited` for one person means a program; for many, the limits are too tight "
            "(SENDS_PER_SECOND). `unavailable` is an outage. `bad_request` after an upgrade comes "
            "from old pages; a reload fixes it.",
            Query(
                f"sum by (code) (rate(veche_frames_refused_total{WEB}[$__rate_interval]))",
                "{{code}}",
            ),
            unit="cps",
            width=6,
        ),
        lines(
            "Refused requests",
            "API requests that were answered 429 before their sender was identified, because too "
            "many of the same person or address had been refused before: a program does not wait "
            "when told to. They are in no other count.",
            Query(f"sum(rate(veche_requests_refused_total{WEB}[$__rate_interval]))", "refused"),
            unit="reqps",
            width=6,
        ),
    ],
)
CONNECTIONS = Row(
    "Connections",
    [
        lines(
            "Connections of each process",
            "Should be about the same for all processes. After a restart the numbers even out as "
            "people come and go; the limit of a process is MAX_SOCKETS.",
            Query(f"veche_sockets{WEB}", "{{instance}}"),
            width=6,
        ),
        lines(
            "People and rooms connected",
            "The sum over all processes: people who are connected to two of them count twice.",
            Query(f"sum(veche_people_connected{WEB})", "people"),
            Query(f"sum(veche_rooms_open{WEB})", "rooms"),
            width=6,
        ),
        lines(
            "Opened",
            "Connections that were accepted, per second. A peak is a reconnect storm, as after a "
            "restart; it should be over within ten seconds.",
            Query(f"sum(rate(veche_sockets_opened_total{WEB}[$__rate_interval]))", "opened"),
            unit="cps",
            width=6,
        ),
        lines(
            "Ended by the server, by close code",
            "1012 restart, 4400 protocol violation, 4401 not signed in, 4403 revoked, 4408 slow "
            "reader, 4429 too many. 4400 is a bug in a client; 4429 is MAX_SOCKETS.",
            Query(
                f"sum by (code) (rate(veche_sockets_closed_total{WEB}[$__rate_interval]))",
                "{{code}}",
            ),
            unit="cps",
            width=6,
        ),
    ],
)
FRAMES = Row(
    "Frames and fan-out",
    [
        lines(
            "Frames from clients, by type",
            "Many `sync` frames mean that many clients had gaps to fill: the bus loses hints, or "
            "people are coming back.",
            Query(
                f"sum by (type) (rate(veche_frames_received_total{WEB}[$__rate_interval]))",
                "{{type}}",
            ),
            unit="cps",
        ),
        lines(
            "Frames to clients",
            "Per second, of all processes. This is what a web process spends its CPU on.",
            Query(f"sum(rate(veche_frames_sent_total{WEB}[$__rate_interval]))", "sent"),
            unit="cps",
        ),
        lines(
            "Events in a frame",
            "How many events the hub put into one frame, on average. Near 1 when it is quiet; more "
            "under load, which keeps the load bearable.",
            Query(
                f"sum(rate(veche_hub_batch_events_sum{WEB}[$__rate_interval]))"
                f" / sum(rate(veche_hub_batch_events_count{WEB}[$__rate_interval]))",
                "events",
            ),
        ),
    ],
)
PAGES = Row(
    "Pages and API",
    [
        lines(
            "Answers, by status",
            "Everything over HTTP. Any 5xx is a bug or an outage: the web process's log has the "
            "request id.",
            Query(
                "sum by (status) (rate("
                f"django_http_responses_total_by_status_total{WEB}[$__rate_interval]))",
                "{{status}}",
            ),
            unit="reqps",
            width=12,
        ),
        lines(
            "Time to answer",
            "From the first middleware to the answer, without WebSockets. If this is slow while "
            "the chat is quick, it is PostgreSQL: see Infrastructure.",
            *percentiles(
                "django_http_requests_latency_including_middlewares_seconds", matchers=WEB
            ),
            unit="s",
            width=12,
        ),
    ],
)
ACTIVITY = Board(
    "activity",
    "Chat activity",
    "How many people chat, how much, and what is refused. Start here when somebody says that the "
    "chat behaves strangely; go on with Delivery when something does not arrive.",
    [NOW, MESSAGES, CONNECTIONS, FRAMES, PAGES],
    choices=[Choice("instance", "Web process", 'up{job="web"}', "instance")],
)
