"""One message is one trace, from its frame to whoever reads it from the event bus."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from analytics.host import host
from chat import events, room_log
from chat.event_bus import envelope, event_bus
from chat.export import exporter as export
from chat.persistence import drain
from chat.tracing import tracing
from chatsite.observability import tracing as wiring
from tests.support.rooms import new_key, new_person, new_room
from tests.support.web_process import ChatClient, web_process

# Several processes have to start, on whatever else the machine does.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

WORDS = "nobody reads this in a trace"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """The spans of this process."""
    exporter = InMemorySpanExporter()
    wiring.start_with(SimpleSpanProcessor(exporter), "test", 1.0)
    yield exporter
    wiring.stop()


class Collector(ThreadingHTTPServer):
    """The server that OTEL_EXPORTER_OTLP_ENDPOINT names, with everything sent to it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.requests: list[ExportTraceServiceRequest] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def spans(self) -> dict[str, tuple[bytes, bytes, bytes]]:
        """Name → trace id, span id, parent's span id."""
        return {
            span.name: (span.trace_id, span.span_id, span.parent_span_id)
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


class CollectorHandler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.shutdown()
    found.server_close()


def read_from_bus() -> list[envelope.Envelope]:
    import msgspec

    reader = event_bus().reader()
    records = reader.read(100, 1.0)
    reader.close()
    return [msgspec.json.decode(one.value or b"", type=envelope.Envelope) for one in records]


async def test_spans_of_one_message_share_a_trace_from_the_frame_to_the_analytics(
    spans: InMemorySpanExporter, collector: Collector, tmp_path: Path
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    key = new_key()
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "TRACES_SAMPLE_RATIO": "1"}
    with web_process(tmp_path / "web.log", **variables) as web:
        async with await ChatClient.hello(web, ann) as client:
            posted = await client.post(room.pk, WORDS, key)
    shard = events.shard_of(room.pk, settings.ENV.shards)
    await sync_to_async(drain.drain)(shard)
    await sync_to_async(export.of_process().export)(shard)
    await room_log.close()
    [record] = [one for one in await sync_to_async(read_from_bus)() if one.key == key]
    host().rolled_up([record.traceparent, None, "nonsense"], time.time_ns())

    # Sent by the web process at its end, which has come; the others are of this process.
    web_spans = collector.spans()
    frame, append = web_spans["frame send"], web_spans["append"]
    here = {
        span.name: span
        for span in spans.get_finished_spans()
        if span.context.trace_id == int.from_bytes(frame[0], "big")
    }
    assert frame[0] == append[0]
    assert frame[2] == b""
    assert append[2] == frame[1]
    assert record.seq == posted["seq"]
    assert record.traceparent == f"00-{append[0].hex()}-{append[1].hex()}-01"
    assert set(here) == {"persist", "export", "roll up"}
    for span in here.values():
        assert span.parent is not None
        assert span.parent.span_id == int.from_bytes(append[1], "big")
    assert here["persist"].attributes == {
        "veche.room": room.pk, "veche.seq": posted["seq"], "veche.epoch": posted["epoch"]
    }  # fmt: skip
    everything = "".join(str(request) for request in collector.requests)
    assert WORDS not in everything
    assert "ann" not in everything


async def test_nothing_is_traced_and_nothing_is_said_unless_it_is_switched_on() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)

    shard = events.shard_of(room.pk, settings.ENV.shards)
    await sync_to_async(drain.drain)(shard)
    await sync_to_async(export.of_process().export)(shard)
    await room_log.close()

    assert tracing.ids_of(ann.pk, new_key()) is None
    assert tracing.frame("send", 1, 1, new_key()) is tracing.append(1, 1, new_key())
    assert {one.traceparent for one in await sync_to_async(read_from_bus)()} == {None}


def test_part_of_all_messages_is_traced_and_each_process_chooses_the_same(
    spans: InMemorySpanExporter,
) -> None:
    keys = [new_key() for _ in range(2_000)]
    wiring.start_with(SimpleSpanProcessor(spans), "test", 0.1)
    first = {key for key in keys if tracing.ids_of(1, key)}
    again = {key for key in keys if tracing.ids_of(1, key)}
    of_somebody_else = {key for key in keys if tracing.ids_of(2, key)}

    assert first == again
    assert 100 < len(first) < 320
    # Clients choose keys, and must not be able to choose one that is traced.
    assert first != of_somebody_else


async def test_refused_event_shows_its_kind_and_none_of_its_words(
    spans: InMemorySpanExporter,
) -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann)
    spans.clear()

    with pytest.raises(Exception, match="room"):
        await room_log.append(
            room_log.NewEvent(
                room=room.pk,
                type=events.EventType.MESSAGE_POSTED,
                data=events.MessagePosted(body=WORDS),
                actor=bob.pk,
                key=new_key(),
            )
        )
    await room_log.close()

    [span] = spans.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ClientError"
    assert span.events == ()
    assert WORDS not in span.to_json()
