"""
A reader (librdkafka, all partitions assigned, from the beginning) until a line comes on standard input. What each call returned
becomes lines of the history file, one per partition.
"""
import json
import select
import sys
import time
from confluent_kafka import Consumer, KafkaError, TopicPartition
from patience import PATIENCE
from payload import name_of

options = json.loads(sys.argv[1])
process, topic, partitions = options["process"], options["topic"], options["partitions"]
history = open(options["file"], "a", buffering=1 << 16)
consumer = Consumer({
    "bootstrap.servers": options["bootstrap"],
    "client.id": process,
    "group.id": process,
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "isolation.level": options.get("isolation", "read_uncommitted"),
    "fetch.wait.max.ms": 200,
    "fetch.min.bytes": 8192,
    **PATIENCE,
})
consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
read = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    start_ms = time.monotonic() * 1000
    messages = consumer.consume(num_messages=1000, timeout=0.3)
    end_ms = time.monotonic() * 1000
    polls = {}
    for message in messages:
        error = message.error()
        if error is None:
            epoch = message.leader_epoch() if hasattr(message, "leader_epoch") else None
            polls.setdefault(message.partition(), []).append([message.offset(), name_of(message.value()), -1 if epoch is None else epoch])
            read += 1
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION):
            polls.setdefault(message.partition(), [])
            history.write(json.dumps({
                "type": "poll", "process": process, "partition": message.partition(), "startMs": start_ms, "endMs": end_ms,
                "records": [], "outOfRange": True, "error": str(error),
            }) + "\n")
    for partition, records in polls.items():
        if records:
            history.write(json.dumps({
                "type": "poll", "process": process, "partition": partition, "startMs": start_ms, "endMs": end_ms, "records": records,
            }, separators=(",", ":")) + "\n")
consumer.close()
history.close()
print(json.dumps({"read": read}), flush=True)
