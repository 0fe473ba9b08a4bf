"""What the loads write: packages/testing/src/workload/payload.ts has the same rule."""


def payload_of(process, number):
    return ("%s:%d:%s." % (process, number, "x" * (40 + number * 37 % 160))).encode()


def name_of(payload):
    """`process:number`, or `torn:...` when it is not what was sent."""
    try:
        process, number, _ = payload.decode().split(":", 2)
        if payload == payload_of(process, int(number)):
            return "%s:%s" % (process, number)
    except ValueError:
        pass
    return "torn:%d:%s" % (len(payload), payload[:60].decode("latin-1"))
