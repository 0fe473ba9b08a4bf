"""
A member of a consumer group (librdkafka) until a line comes on standard input: processes, commits what it has processed, and writes down both
and what it owns, as in packages/testing/src/checkers/group-history.ts and check-group-work.ts. May be killed at any time: what it has not
written down by then it has not committed.
"""
import json
import select
import struct
import sys
import time
from confluent_kafka import Consumer, KafkaException, TopicPartition
from patience import PATIENCE
from payload import name_of

options = json.loads(sys.argv[1])
member, group, topic, assignor = options["process"], options["group"], options["topic"], options["assignor"]
is_cooperative = assignor == "cooperative-sticky"
history = open(options["file"], "a", buffering=1)
COMMIT_EVERY = 0.25


def now_ms():
    return time.monotonic() * 1000


def write(kind, **more):
    history.write(json.dumps({"type": kind, "group": group, "member": member, **more}, separators=(",", ":")) + "\n")


consumer = Consumer({
    "bootstrap.servers": options["bootstrap"],
    "client.id": member,
    "group.id": group,
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "partition.assignment.strategy": assignor,
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 1000,
    "isolation.level": "read_uncommitted",
    "fetch.wait.max.ms": 200,
    **PATIENCE,
    "log_level": 0,
})
uncommitted = {}


def commit():
    """What was processed since the last one. Written down before, as unknown, and again when it is acknowledged: else it may be carried out later."""
    if not uncommitted:
        return
    offsets = dict(uncommitted)
    uncommitted.clear()
    start_ms = now_ms()
    for partition, offset in offsets.items():
        write("committed", partition=partition, offset=offset, startMs=start_ms, atMs=start_ms, result="unknown")
    try:
        answers = consumer.commit(offsets=[TopicPartition(topic, *each) for each in offsets.items()], asynchronous=False)
    except KafkaException:
        return
    for each in answers:
        if each.error is None:
            write("committed", partition=each.partition, offset=each.offset, startMs=start_ms, atMs=now_ms(), result="ok")


def owns(kind, partitions, at_ms):
    # "CGMDv2:", then the generation: how librdkafka hands it to its own producers.
    metadata = consumer.consumer_group_metadata()
    generation = struct.unpack_from("=i", metadata, 7)[0] if metadata.startswith(b"CGMDv2:") else -1
    write(kind, atMs=at_ms, generation=None if generation < 0 else generation, instance=None, partitions=[each.partition for each in partitions])


def on_assign(_, partitions):
    owns("assigned", partitions, now_ms())
    (consumer.incremental_assign if is_cooperative else consumer.assign)(partitions)


def give_up(kind, partitions):
    if kind == "revoked":
        commit()
    for each in partitions:
        uncommitted.pop(each.partition, None)
    owns(kind, partitions, now_ms())
    if is_cooperative:
        consumer.incremental_unassign(partitions)
    else:
        consumer.unassign()


consumer.subscribe([topic], on_assign=on_assign, on_revoke=lambda _, each: give_up("revoked", each), on_lost=lambda _, each: give_up("lost", each))
committed_at = time.monotonic()
while not select.select([sys.stdin], [], [], 0)[0]:
    # One by one: a batch may hold records of partitions that were given up while it was filled.
    message = consumer.poll(0.1)
    if message is not None and message.error() is None:
        write("processed", atMs=now_ms(), partition=message.partition(), offset=message.offset(), value=name_of(message.value()))
        uncommitted[message.partition()] = message.offset() + 1
    if time.monotonic() - committed_at > COMMIT_EVERY:
        commit()
        committed_at = time.monotonic()
commit()
write("leaving", atMs=now_ms())
consumer.close()
write("left", atMs=now_ms())
history.close()
