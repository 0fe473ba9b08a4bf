// Closed-loop Fetch load (v4), one request in flight per connection, each looping over its partition from the start.
// Counts the bytes of whole batches: a cut batch at the end of an answer is of no use to a consumer.
//   fetch PORT CONNECTIONS SECONDS TOPIC PARTITIONS MAX_BYTES BROKER_PID
// Prints one JSON object.
#include "wire.h"
#include <sys/epoll.h>

typedef struct { int fd, partition; int64_t offset; uint8_t *answer; size_t capacity, size; } Connection;
static int maxBytes;
static const char *topic;

static void request(Connection *c) {
  uint8_t bytes[512];
  Out out = { bytes, 0 };
  put32(&out, 0); put16(&out, 1); put16(&out, 4); put32(&out, 9); putString(&out, "load");
  put32(&out, -1); put32(&out, 0); put32(&out, 1); put32(&out, maxBytes + 1000000); put8(&out, 0); put32(&out, 1); putString(&out, topic);
  put32(&out, 1); put32(&out, c->partition); put64(&out, c->offset); put32(&out, maxBytes);
  size_t end = out.at;
  out.at = 0; put32(&out, (int32_t)(end - 4));
  if (write(c->fd, bytes, end) != (ssize_t)end) { perror("write"); exit(1); }
}
int main(int count, char **argument) {
  if (count < 8) { fprintf(stderr, "usage: fetch PORT CONNECTIONS SECONDS TOPIC PARTITIONS MAX_BYTES BROKER_PID\n"); return 2; }
  int port = atoi(argument[1]), connections = atoi(argument[2]), partitions = atoi(argument[5]), broker = atoi(argument[7]);
  double duration = atof(argument[3]);
  topic = argument[4]; maxBytes = atoi(argument[6]);
  int poller = epoll_create1(0);
  Connection *all = calloc((size_t)connections, sizeof *all);
  for (int i = 0; i < connections; i++) {
    Connection *c = &all[i];
    c->partition = i % partitions; c->capacity = (size_t)maxBytes + (4 << 20); c->answer = malloc(c->capacity); c->fd = connectLoopback(port);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
    request(c);
  }
  size_t topicLength = strlen(topic);
  double bytes = 0, start = seconds() + 0.5, cpuFrom = 0;
  long answers = 0, errors = 0; double messages = 0;
  int warm = 0;
  struct epoll_event events[64];
  for (;;) {
    int n = epoll_wait(poller, events, 64, 100);
    double now = seconds();
    if (!warm && now > start) { warm = 1; start = now; bytes = 0; answers = 0; messages = 0; errors = 0; cpuFrom = cpuSecondsOf(broker); }
    if (warm && now > start + duration) break;
    for (int i = 0; i < n; i++) {
      Connection *c = events[i].data.ptr;
      ssize_t k = read(c->fd, c->answer + c->size, c->capacity - c->size);
      if (k <= 0) { fprintf(stderr, "the broker closed the connection\n"); return 1; }
      c->size += (size_t)k;
      if (c->size < 4) continue;
      size_t size = get32(c->answer) + 4;
      if (size > c->capacity) { fprintf(stderr, "answer of %zu bytes\n", size); return 1; }
      if (c->size < size) continue;
      uint8_t *b = c->answer + 4 + 4 + 4 + 4 + 2 + topicLength + 4 + 4; // size, correlation, throttle, topics, name, partitions, index
      if (b[0] | b[1]) errors++;
      int64_t highWatermark = get64(b + 2);
      b += 2 + 8 + 8;
      uint32_t aborted = get32(b); b += 4;
      if (aborted != 0 && aborted != 0xffffffffu) b += 16 * aborted;
      int32_t recordBytes = (int32_t)get32(b); b += 4;
      uint8_t *end = b + (recordBytes > 0 ? recordBytes : 0);
      while (end - b >= 61) {
        size_t batch = get32(b + 8) + 12;
        if ((size_t)(end - b) < batch) break;
        int64_t next = get64(b) + (int32_t)get32(b + 23) + 1;
        messages += (double)(next - c->offset); bytes += (double)batch; c->offset = next; b += batch;
      }
      if (recordBytes <= 0 || c->offset >= highWatermark) c->offset = 0;
      answers++; c->size = 0;
      request(c);
    }
  }
  double elapsed = seconds() - start, cpu = cpuSecondsOf(broker) - cpuFrom;
  printf("{\"megabytesPerSecond\":%.1f,\"answersPerSecond\":%.0f,\"messagesPerSecond\":%.0f,\"megabytesPerBrokerCpuSecond\":%.1f,\"brokerCpu\":%.3f,\"errors\":%ld,\"clientCpu\":%.2f}\n",
    bytes / elapsed / 1e6, (double)answers / elapsed, messages / elapsed, cpu > 0 ? bytes / cpu / 1e6 : 0, cpu / elapsed, errors, ownCpuSeconds() / (elapsed + 0.5));
  return errors > 0;
}
