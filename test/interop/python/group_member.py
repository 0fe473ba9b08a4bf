"""librdkafka in a group: prints `assigned [..]`, then one line per record, until it is told to stop (or killed). BOOTSTRAP TOPIC GROUP [SESSION_MS]"""
import signal
import sys
from confluent_kafka import Consumer, KafkaException

bootstrap, topic, group = sys.argv[1], sys.argv[2], sys.argv[3]
session_ms = int(sys.argv[4]) if len(sys.argv) > 4 else 6000
running = True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, stop)
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                     "session.timeout.ms": session_ms, "heartbeat.interval.ms": 500, "enable.auto.commit": False,
                     "partition.assignment.strategy": "range"})
consumer.subscribe([topic], on_assign=lambda _, partitions: print("assigned", sorted(p.partition for p in partitions), flush=True))
while running:
    message = consumer.poll(0.1)
    if message is None or message.error():
        continue
    print("record", message.partition(), message.offset(), flush=True)
    try:
        consumer.commit(message, asynchronous=False)
    except KafkaException as failure:
        print("commit failed", failure, flush=True)
consumer.close()
