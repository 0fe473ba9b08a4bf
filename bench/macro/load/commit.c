// Closed-loop OffsetCommit load (v7, from outside of groups), one offset per request; every connection a group of its own.
//   commit PORT CONNECTIONS DEPTH SECONDS TOPIC PARTITIONS BROKER_PID
//   commit PORT CONNECTIONS DEPTH 0 TOPIC PARTITIONS BROKER_PID GROUPS PER_REQUEST OFFSETS_PARTITIONS
// The second form commits once for every partition of TOPIC in each of GROUPS groups, PER_REQUEST to a request, and that was all; the
// groups are of those that partition 0 of OFFSETS_PARTITIONS holds.
// Prints one JSON object. An answer with an error code counts as an error.
#include "wire.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

enum { histogramSize = 2000000 };
typedef struct { int fd, index, inFlight, head, tail, isDone; long sentCount; double *sentAt; uint8_t *answer; size_t answerSize; uint8_t *request; size_t requestSize, sent; } Connection;
static int depth, connections, partitions, perRequest = 1, groups, isFill, offsetsPartitions = 1;
static const char *topic;
static const size_t answerMax = 1 << 20;

// Java's hash of a string: it says which partition of __consumer_offsets holds a group.
static int javaHash(const char *s) { uint32_t h = 0; for (; *s; s++) h = 31 * h + (uint8_t)*s; return (int)h; }

// The next request of this connection; 0: there is none.
static int build(Connection *c) {
  char group[64];
  long n = c->sentCount;
  int from;
  if (isFill) {
    int perGroup = (partitions + perRequest - 1) / perRequest;
    long groupIndex = c->index + n / perGroup * connections;
    if (groupIndex >= groups) return 0;
    int salt = 0;
    do snprintf(group, sizeof group, "fill-%06ld-%d", groupIndex, salt++); while (abs(javaHash(group)) % offsetsPartitions != 0);
    from = (int)(n % perGroup) * perRequest;
  } else {
    snprintf(group, sizeof group, "load-%d", c->index);
    from = (int)(n % partitions);
  }
  int count = perRequest < partitions - from ? perRequest : partitions - from;
  Out out = { c->request, 0 };
  put32(&out, 0); put16(&out, 8); put16(&out, 7); put32(&out, (int32_t)n); putString(&out, "load");
  putString(&out, group); put32(&out, -1); putString(&out, ""); put16(&out, -1);
  put32(&out, 1); putString(&out, topic); put32(&out, count);
  for (int k = 0; k < count; k++) { put32(&out, from + k); put64(&out, n + 1); put32(&out, -1); putString(&out, ""); }
  c->requestSize = out.at;
  out.at = 0; put32(&out, (int32_t)(c->requestSize - 4));
  c->sentCount++;
  return 1;
}
static void pump(Connection *c) {
  for (;;) {
    if (c->sent == c->requestSize) {
      if (c->isDone || c->inFlight >= depth) return;
      if (!build(c)) { c->isDone = 1; return; }
      c->sent = 0; c->inFlight++;
      c->sentAt[c->head] = seconds(); c->head = (c->head + 1) % (depth + 1);
    }
    while (c->sent < c->requestSize) {
      ssize_t n = write(c->fd, c->request + c->sent, c->requestSize - c->sent);
      if (n < 0) { if (errno == EAGAIN) return; perror("write"); exit(1); }
      c->sent += (size_t)n;
    }
  }
}
// Error codes of one answer: size, correlation, throttle, topics, name, partitions, (index, error)…
static int errorsIn(const uint8_t *frame) {
  size_t at = 4 + 4 + 4 + 4;
  at += 2 + ((size_t)frame[at] << 8 | frame[at + 1]);
  int count = (int)get32(frame + at), errors = 0;
  at += 4;
  for (int i = 0; i < count; i++, at += 6) if (frame[at + 4] | frame[at + 5]) errors++;
  return errors;
}
int main(int count, char **argument) {
  if (count != 8 && count != 11) { fprintf(stderr, "usage: commit PORT CONNECTIONS DEPTH SECONDS TOPIC PARTITIONS BROKER_PID [GROUPS PER_REQUEST OFFSETS_PARTITIONS]\n"); return 2; }
  int port = atoi(argument[1]), broker = atoi(argument[7]);
  double duration = atof(argument[4]);
  connections = atoi(argument[2]); depth = atoi(argument[3]); topic = argument[5]; partitions = atoi(argument[6]);
  isFill = count == 11;
  if (isFill) { groups = atoi(argument[8]); perRequest = atoi(argument[9]); offsetsPartitions = atoi(argument[10]); }
  unsigned *histogram = calloc(histogramSize, sizeof *histogram);
  Connection *all = calloc((size_t)connections, sizeof *all);
  int poller = epoll_create1(0);
  for (int i = 0; i < connections; i++) {
    Connection *c = &all[i];
    c->index = i;
    c->request = malloc((size_t)perRequest * 32 + 512);
    c->answer = malloc(answerMax);
    c->sentAt = calloc((size_t)depth + 1, sizeof(double));
    c->fd = connectLoopback(port);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
  }
  for (int i = 0; i < connections; i++) pump(&all[i]);
  long done = 0, errors = 0, from = 0;
  double start = seconds() + (isFill ? 0 : 0.5), cpuFrom = isFill ? cpuSecondsOf(broker) : 0;
  int warm = isFill;
  struct epoll_event events[256];
  for (;;) {
    int n = epoll_wait(poller, events, 256, 100);
    double now = seconds();
    if (!warm && now > start) { warm = 1; start = now; from = done; errors = 0; cpuFrom = cpuSecondsOf(broker); memset(histogram, 0, histogramSize * sizeof *histogram); }
    if (!isFill && warm && now > start + duration) break;
    for (int i = 0; i < n; i++) {
      Connection *c = events[i].data.ptr;
      for (;;) {
        ssize_t k = read(c->fd, c->answer + c->answerSize, answerMax - c->answerSize);
        if (k < 0 && errno == EAGAIN) break;
        if (k <= 0) { fprintf(stderr, "the broker closed the connection\n"); return 1; }
        c->answerSize += (size_t)k;
        size_t at = 0;
        now = seconds();
        while (c->answerSize - at >= 4) {
          size_t size = get32(c->answer + at) + 4;
          if (c->answerSize - at < size) break;
          errors += errorsIn(c->answer + at);
          at += size; c->inFlight--; done++;
          double us = (now - c->sentAt[c->tail]) * 1e6;
          c->tail = (c->tail + 1) % (depth + 1);
          histogram[us < 0 ? 0 : us < histogramSize ? (int)us : histogramSize - 1]++;
        }
        if (at > 0) { memmove(c->answer, c->answer + at, c->answerSize - at); c->answerSize -= at; }
      }
      pump(c);
    }
    if (isFill) {
      int open = 0;
      for (int i = 0; i < connections; i++) open += !all[i].isDone || all[i].inFlight > 0;
      if (open == 0) break;
    }
  }
  double elapsed = seconds() - start, cpu = cpuSecondsOf(broker) - cpuFrom;
  long measured = done - from, seen = 0;
  int p50 = -1, p99 = -1;
  for (int i = 0; i < histogramSize; i++) {
    seen += histogram[i];
    if (p50 < 0 && (double)seen >= (double)measured * 0.5) p50 = i;
    if (p99 < 0 && (double)seen >= (double)measured * 0.99) { p99 = i; break; }
  }
  printf("{\"requestsPerSecond\":%.0f,\"brokerCpu\":%.3f,\"brokerCpuMicrosPerRequest\":%.2f,\"p50Micros\":%d,\"p99Micros\":%d,\"requests\":%ld,\"errors\":%ld,\"clientCpu\":%.2f}\n",
    (double)measured / elapsed, cpu / elapsed, measured > 0 ? cpu * 1e6 / (double)measured : 0, p50, p99, measured, errors, ownCpuSeconds() / (elapsed + 0.5));
  return errors > 0;
}
