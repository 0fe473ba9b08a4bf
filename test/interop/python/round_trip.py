"""librdkafka through confluent-kafka: administer, produce (idempotent, acks=all), consume by assignment. Prints one JSON object."""
import json
import sys
import time
from confluent_kafka import Consumer, Producer, TopicPartition, OFFSET_BEGINNING
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, ConfigResource

bootstrap, codec = sys.argv[1], sys.argv[2]
topic = "python-" + codec
admin = AdminClient({"bootstrap.servers": bootstrap})
for future in admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1, config={"retention.ms": "3600000"})]).values():
    future.result(20)
for future in admin.create_partitions([NewPartitions(topic, 3)]).values():
    future.result(20)
while len(admin.list_topics(topic, timeout=20).topics[topic].partitions) < 3:  # each broker hears of it a moment after the controller
    time.sleep(0.02)
configs = next(iter(admin.describe_configs([ConfigResource("TOPIC", topic)]).values())).result(20)

failures, delivered = [], []
def on_delivery(error, message):
    (failures if error else delivered).append(str(error) if error else (message.partition(), message.offset()))
producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "compression.type": codec, "linger.ms": 5})
for i in range(30000):
    while True:
        try:
            producer.produce(topic, key=b"k%d" % i, value=b"value-%d-" % i + b"x" * 50, partition=i % 3, headers={"n": str(i)}, on_delivery=on_delivery)
            break
        except BufferError:
            producer.poll(0.05)
    producer.poll(0)
left = producer.flush(60)

consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest"})
consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(3)])
seen, ended = [[], [], []], set()
while len(ended) < 3:
    message = consumer.poll(20)
    if message is None:
        break
    if message.error():
        if message.error().name() == "_PARTITION_EOF":
            ended.add(message.partition())
            continue
        failures.append(str(message.error()))
        break
    seen[message.partition()].append((message.offset(), message.value().split(b"-")[1].decode(), dict(message.headers())["n"].decode()))
low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
consumer.close()
in_order = all([offset for offset, _, _ in rows] == list(range(len(rows))) for rows in seen)
right = all([int(value) for _, value, _ in rows] == list(range(p, 30000, 3)) and all(value == header for _, value, header in rows) for p, rows in enumerate(seen))
print(json.dumps({"failures": failures[:5], "left": left, "delivered": len(delivered), "seen": [len(rows) for rows in seen], "inOrder": in_order, "right": right, "low": low, "high": high, "retention": configs["retention.ms"].value}))
