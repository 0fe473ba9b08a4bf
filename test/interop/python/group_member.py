"""librdkafka in a group: prints `assigned [..]`, then one line per record, until it is told to stop (or killed)."""
import signal
import sys
from confluent_kafka import Consumer

bootstrap, topic, group = sys.argv[1], sys.argv[2], sys.argv[3]
running = True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, stop)
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                     "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "enable.auto.commit": False,
                     "partition.assignment.strategy": "range"})
consumer.subscribe([topic], on_assign=lambda _, partitions: print("assigned", sorted(p.partition for p in partitions), flush=True))
while running:
    message = consumer.poll(0.1)
    if message is None or message.error():
        continue
    print("record", message.partition(), message.offset(), flush=True)
    consumer.commit(message, asynchronous=False)
consumer.close()
