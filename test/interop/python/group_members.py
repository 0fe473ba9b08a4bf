"""librdkafka consumers of many groups in one process: commands and events as in java/GroupMembers.java; ASSIGNOR as librdkafka names it."""
import json
import struct
import sys
import threading
import time
from confluent_kafka import Consumer, KafkaException

members = {}
output = threading.Lock()
def say(event):
    with output:
        print(json.dumps(event), flush=True)

class Member(threading.Thread):
    def __init__(self, bootstrap, name, group, topic, assignor, instance):
        super().__init__(daemon=True)
        self.name, self.group = name, group
        self.instance = None if instance == "-" else instance
        self.is_cooperative, self.is_stopping = assignor == "cooperative-sticky", False
        config = {"bootstrap.servers": bootstrap, "group.id": group, "client.id": name, "auto.offset.reset": "earliest",
                  "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500,
                  "partition.assignment.strategy": assignor, "topic.metadata.refresh.interval.ms": 2000,
                  "reconnect.backoff.max.ms": 200, "log_level": 0}
        if self.instance is not None:
            config["group.instance.id"] = self.instance
        self.consumer = Consumer(config)
        self.consumer.subscribe([topic], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_lost)
    def event(self, kind, **more):
        # CLOCK_MONOTONIC on Linux, as the other members have it.
        say({"type": kind, "atMs": time.monotonic() * 1000, "group": self.group, "member": self.name, **more})
    def owns(self, kind, partitions):
        # "CGMDv2:", then the generation: how librdkafka hands it to its own producers.
        metadata = self.consumer.consumer_group_metadata()
        generation = struct.unpack_from("=i", metadata, 7)[0] if metadata.startswith(b"CGMDv2:") else -1
        self.event(kind, generation=None if generation < 0 else generation, instance=self.instance,
                   partitions=[each.partition for each in partitions])
    def on_assign(self, consumer, partitions):
        (consumer.incremental_assign if self.is_cooperative else consumer.assign)(partitions)
        self.owns("assigned", partitions)
    def give_up(self, kind, consumer, partitions):
        self.owns(kind, partitions)
        if self.is_cooperative:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()
    def on_revoke(self, consumer, partitions):
        self.give_up("revoked", consumer, partitions)
    def on_lost(self, consumer, partitions):
        self.give_up("lost", consumer, partitions)
    def run(self):
        try:
            while not self.is_stopping:
                message = self.consumer.poll(0.1)
                if message is None or message.error():
                    continue
                value = b":".join(message.value().split(b":", 2)[:2]).decode()
                self.event("processed", partition=message.partition(), offset=message.offset(), value=value)
                try:
                    self.consumer.commit(message, asynchronous=False)
                except KafkaException:
                    pass  # somebody else has the partition by now, or the coordinator moves: it is read again
            self.event("leaving")
            self.consumer.close()
            self.event("left")
        except Exception as error:
            self.event("failed", why=repr(error))

say({"type": "ready"})
for line in sys.stdin:
    command = line.split()
    if command[0] == "start":
        members[command[1]] = Member(sys.argv[1], *command[1:])
        members[command[1]].start()
    else:
        members[command[1]].is_stopping = True
for each in members.values():
    each.is_stopping = True
for each in members.values():
    each.join(10)
