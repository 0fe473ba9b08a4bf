"""Produces numbered records to one topic until told to stop on standard input, and prints what was acknowledged: one JSON object."""
import json
import select
import sys
import time
from confluent_kafka import Producer

bootstrap, topic, partitions = sys.argv[1], sys.argv[2], int(sys.argv[3])
acked, failed = [], []
def on_delivery(number):
    def call(error, message):
        (failed if error else acked).append(str(error) if error else [number, message.partition(), message.offset()])
    return call
producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 2, "message.timeout.ms": 60000, "reconnect.backoff.max.ms": 500, "compression.type": "lz4"})
number, ending = 0, None
print("producing", flush=True)
while ending is None or time.time() < ending:
    for _ in range(50):
        try:
            producer.produce(topic, value=b"%d " % number + b"x" * 200, partition=number % partitions, on_delivery=on_delivery(number))
            number += 1
        except BufferError:
            producer.poll(0.1)
    producer.poll(0.002)
    if ending is None and select.select([sys.stdin], [], [], 0)[0]:
        ending = time.time()
left = producer.flush(60)
print(json.dumps({"sent": number, "acked": acked, "failed": failed[:5], "left": left}))
