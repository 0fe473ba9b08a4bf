"""
An idempotent producer (librdkafka, acks=all) at a steady rate, until a line comes on standard input. Every delivery report
becomes a line of the history file: see packages/testing/src/checkers/history.ts. Ends with what was sent, as JSON, and exit code 3
when the producer itself gave up (a fatal error: it has lost its order or its sequence).
"""
import json
import select
import sys
import time
from confluent_kafka import KafkaException, Producer
from patience import PATIENCE
from payload import payload_of

options = json.loads(sys.argv[1])
process, topic, partitions = options["process"], options["topic"], options["partitions"]
history = open(options["file"], "a", buffering=1 << 16)
fatal, sent, acked, unknown = [], 0, 0, 0


def now_ms():
    return time.monotonic() * 1000


def serving(call, *arguments, **named):
    """A fatal error is no callback's: whichever call serves the callbacks next raises it; None then."""
    try:
        return call(*arguments, **named)
    except KafkaException as error:
        if not error.args[0].fatal():
            raise
        fatal.append(str(error.args[0]))


def on_delivery(number, start_ms):
    def call(error, message):
        global acked, unknown
        # The library says nothing on whether a message that it gave up was written; a queue that was purged was not, but who knows.
        ok = error is None
        # None: the broker knew the batch already, and its answer did not say where it is.
        offset = message.offset() if ok else None
        acked, unknown = acked + ok, unknown + (not ok)
        if not ok and error.fatal():
            fatal.append(str(error))
        history.write(json.dumps({
            "type": "send", "process": process, "partition": message.partition(), "value": "%s:%d" % (process, number),
            "startMs": start_ms, "endMs": now_ms(), "result": "ok" if ok else "unknown",
            "offset": offset, "acks": -1, "ordered": True,
        }, separators=(",", ":")) + "\n")
    return call


producer = Producer({
    "bootstrap.servers": options["bootstrap"],
    "client.id": process,
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 5,
    "compression.type": options.get("compression", "none"),
    "message.timeout.ms": options["messageTimeoutMs"],
    "request.timeout.ms": 5000,
    **PATIENCE,
    "queue.buffering.max.messages": options["queueMax"],
    "error_cb": lambda error: None,
})
step = 0.02
owed, due = 0.0, time.monotonic()
while not fatal and not select.select([sys.stdin], [], [], 0)[0]:
    owed += options["perSecond"] * step
    while owed >= 1:
        owed -= 1
        try:
            serving(producer.produce, topic, value=payload_of(process, sent), partition=sent % partitions, on_delivery=on_delivery(sent, now_ms()))
            if fatal:
                break
            sent += 1
        except BufferError:
            break
    owed = min(owed, 1.0)
    due = max(due + step, time.monotonic() - 1)
    # It returns whenever there was something to report.
    while (left := due - time.monotonic()) > 0:
        serving(producer.poll, left)
serving(producer.flush, options["flushSeconds"])
remaining = len(producer)
if remaining > 0:
    producer.purge()
    serving(producer.flush, 5)
history.close()
print(json.dumps({"sent": sent, "acked": acked, "unknown": unknown, "left": remaining, "fatal": fatal[:3]}), flush=True)
sys.exit(3 if fatal else 0)
