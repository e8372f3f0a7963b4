"""Keeps a worker from running out of slots when the broker fails at the wrong moment.

kombu counts a message against the worker's prefetch limit until its acknowledgement has reached
Redis. If that fails, Celery logs it and goes on. Nothing ever tries again, so the slot is never
given back; after as many failures as it has slots, a worker waits forever, alive and consuming
nothing. Here the slot is given back. The message stays in the broker's list of unacknowledged
messages and is delivered again after the visibility time-out, which tasks tolerate.

No upstream issue known. If kombu no longer takes the class from `redis.Channel`, slots are lost
again.
"""

from __future__ import annotations

from kombu.transport import redis, virtual


class GivingBack(redis.QoS):
    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        except BaseException:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        try:
            super().reject(delivery_tag, requeue)
        except BaseException:
            virtual.QoS.ack(self, delivery_tag)
            raise


def give_back_slots() -> None:
    """Makes this process's Redis channels give slots back. Calling it again changes nothing."""
    redis.Channel.QoS = GivingBack
