"""How long every client of the loads waits for brokers that die, stop or are cut off, before it looks elsewhere."""

PATIENCE = {
    "socket.timeout.ms": 8000,
    "socket.connection.setup.timeout.ms": 3000,
    "reconnect.backoff.max.ms": 500,
    "retry.backoff.max.ms": 500,
    "topic.metadata.refresh.interval.ms": 5000,
    "broker.address.family": "v4",
}
