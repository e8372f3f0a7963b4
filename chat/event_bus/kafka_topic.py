"""What Kafka says of the topic: its id, and whether its settings are safe.

A topic that is deleted and created again has its old name and nothing of what was published. But it
has a new id, because Kafka gives each topic a random one for life. So the same id before and after
publishing means that everything that was acknowledged in between is on that topic.
"""

from __future__ import annotations

import base64
import contextlib
import uuid
from typing import Any

import msgspec
from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource

from chat.errors import RetryableError
from chat.event_bus.interface import EventBusMisconfigured

SETTINGS = (
    "cleanup.policy",
    "max.message.bytes",
    "min.insync.replicas",
    "unclean.leader.election.enable",
)


class Description(msgspec.Struct, frozen=True):
    """`id`: as Kafka's own tools print it. `replicas`: of the partition that has the fewest."""

    id: str
    partitions: int
    replicas: int


class Settings(msgspec.Struct, frozen=True):
    max_record_bytes: int
    weaknesses: list[str]
    """What lets Kafka lose what it has acknowledged, in words."""


def ensure(admin: KafkaAdminClient, topic: str, partitions: int, wait_ms: int) -> Description:
    """Creates the topic if it is missing.

    Raises: EventBusMisconfigured when it has fewer partitions than `partitions`. More do no harm:
    Veche names the partition of each record itself and keeps to the first ones.
    """
    found = describe(admin, topic)
    if found is None:
        with contextlib.suppress(kafka_errors.TopicAlreadyExistsError):
            # Keep records for ever, so that readers can start from the beginning; an operator may
            # shorten this on the topic.
            configs = {"retention.ms": "-1", "cleanup.policy": "delete"}
            admin.create_topics({topic: {"num_partitions": partitions, "configs": configs}})
        admin.wait_for_topics([topic], timeout_ms=wait_ms)
        found = describe(admin, topic)
    if found is None:
        raise RetryableError(f"Kafka has no topic {topic}.")
    if found.partitions < partitions:
        raise EventBusMisconfigured(
            f"Topic {topic} has {found.partitions} partitions, KAFKA_PARTITIONS says {partitions}. "
            f"Set KAFKA_PARTITIONS to what the topic has, or give it as many."
        )
    return found


def describe(admin: KafkaAdminClient, topic: str) -> Description | None:
    """None when there is no such topic. Raises: RetryableError; kafka_errors.KafkaError."""
    [found] = admin.describe_topics([topic])
    error = kafka_errors.for_code(found["error_code"])
    if error is kafka_errors.UnknownTopicOrPartitionError:
        return None
    if error is not kafka_errors.NoError:
        raise error
    topic_id = uuid.UUID(found["topic_id"] or "0" * 32)
    if not topic_id.int:
        raise EventBusMisconfigured("The brokers give topics no ids: Kafka 2.8 or newer is needed.")
    partitions: list[dict[str, Any]] = found["partitions"]
    return Description(
        id=base64.urlsafe_b64encode(topic_id.bytes).rstrip(b"=").decode(),
        partitions=len(partitions),
        replicas=min((len(one["replica_nodes"]) for one in partitions), default=0),
    )


def settings(admin: KafkaAdminClient, topic: str, description: Description) -> Settings:
    """Raises: EventBusMisconfigured when the topic is compacted; kafka_errors.KafkaError."""
    answer = admin.describe_configs(
        [ConfigResource("topic", topic, list(SETTINGS))], config_filter="all"
    )
    found = {name: answer["topic"][topic][name]["value"] for name in SETTINGS}
    policies = [policy.strip() for policy in found["cleanup.policy"].split(",")]
    if "compact" in policies:
        raise EventBusMisconfigured(
            f"Topic {topic} is compacted (cleanup.policy is {found['cleanup.policy']}): it would "
            f"keep the last event of each room alone. Set cleanup.policy=delete; if it was "
            f"compacted for a while, let manage.py shards rewind publish everything again."
        )
    weaknesses = []
    if description.replicas < 2:
        weaknesses.append(f"replication factor is {description.replicas}")
    if int(found["min.insync.replicas"]) < 2:
        weaknesses.append(f"min.insync.replicas is {found['min.insync.replicas']}")
    if found["unclean.leader.election.enable"] == "true":
        weaknesses.append("unclean.leader.election.enable is true")
    return Settings(max_record_bytes=int(found["max.message.bytes"]), weaknesses=weaknesses)
