// Produce load with prebuilt batches (v7, acks as given), every connection keeping `depth` requests in flight.
//   produce PORT CONNECTIONS DEPTH RECORDS RECORD_BYTES SECONDS TOPIC PARTITIONS BROKER_PID [ACKS [RATE [SLOW_MICROS]]]
// PORT: or PORT,PORT,…: partition p has its leader at the p-th of them, counted round. BROKER_PID: or PID,PID,…: their CPU together.
// SECONDS 0: every connection sends DEPTH requests, and that was all.
// RATE: open loop, so many requests a second over all connections, whether answers come or not (up to DEPTH in flight each);
// latencies count from when a request was due.
// SLOW_MICROS: requests that took longer are told on standard error: when they were due (CLOCK_MONOTONIC, seconds), microseconds, partition.
// Prints one JSON object. A batch with an error code in its answer counts as an error.
#define _GNU_SOURCE
#include "wire.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

enum { histogramSize = 2000000 };
typedef struct { int fd, inFlight, count, head, tail, sending, wantsWrite; double *sentAt; uint8_t answer[65536]; size_t answerSize; uint8_t *request; size_t requestSize, sent; double due; } Connection;
static int depth, poller, topicLength, once;
static double interval; // of one connection in the open loop; 0: closed

static void watch(Connection *c, int write) {
  if (c->wantsWrite == write) return;
  c->wantsWrite = write;
  struct epoll_event event = { .events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c };
  epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}
static void pump(Connection *c) {
  for (;;) {
    if (!c->sending) {
      if (c->inFlight >= depth || (once && c->count >= depth)) break;
      if (interval > 0 && c->due > seconds()) break;
      c->sending = 1; c->sent = 0; c->inFlight++; c->count++;
      c->sentAt[c->head] = interval > 0 ? c->due : seconds(); c->due += interval; c->head = (c->head + 1) % (depth + 1);
    }
    while (c->sent < c->requestSize) {
      ssize_t n = write(c->fd, c->request + c->sent, c->requestSize - c->sent);
      if (n < 0) { if (errno == EAGAIN) { watch(c, 1); return; } perror("write"); exit(1); }
      c->sent += (size_t)n;
    }
    c->sending = 0;
  }
  watch(c, 0);
}
static int numbers(const char *list, int *into) {
  int count = 0;
  for (const char *p = list; p != NULL && count < 64; p = strchr(p, ',')) { if (*p == ',') p++; into[count++] = atoi(p); }
  return count;
}
static double cpuOfAll(const int *pids, int count) {
  double sum = 0;
  for (int i = 0; i < count; i++) sum += cpuSecondsOf(pids[i]);
  return sum;
}
static size_t buildRequest(Connection *c, const char *topic, int partition, int records, int recordBytes, int acks) {
  c->request = malloc((size_t)records * (size_t)(recordBytes + 32) + 512);
  Out out = { c->request, 0 };
  put32(&out, 0); put16(&out, 0); put16(&out, 7); put32(&out, 1); putString(&out, "load");
  put16(&out, -1); put16(&out, acks); put32(&out, 30000); put32(&out, 1); putString(&out, topic); put32(&out, 1); put32(&out, partition);
  size_t lengthAt = out.at; put32(&out, 0);
  size_t batch = out.at;
  struct timespec wall; clock_gettime(CLOCK_REALTIME, &wall);
  int64_t now = (int64_t)wall.tv_sec * 1000;
  put64(&out, 0); put32(&out, 0); put32(&out, -1); put8(&out, 2); put32(&out, 0); put16(&out, 0); put32(&out, records - 1);
  put64(&out, now); put64(&out, now); put64(&out, -1); put16(&out, -1); put32(&out, -1); put32(&out, records);
  for (int k = 0; k < records; k++) {
    uint32_t delta = (uint32_t)k << 1, size = (uint32_t)recordBytes << 1;
    int length = 1 + 1 + varintSize(delta) + 1 + varintSize(size) + recordBytes + 1;
    putVarint(&out, (uint32_t)length << 1); put8(&out, 0); putVarint(&out, 0); putVarint(&out, delta); putVarint(&out, 1); putVarint(&out, size);
    for (int z = 0; z < recordBytes; z++) put8(&out, 'a' + (k * 7 + z * 13) % 26);
    putVarint(&out, 0);
  }
  size_t end = out.at;
  out.at = lengthAt; put32(&out, (int32_t)(end - batch));
  out.at = batch + 8; put32(&out, (int32_t)(end - batch - 12));
  out.at = batch + 17; put32(&out, (int32_t)crc32c(c->request + batch + 21, end - batch - 21));
  out.at = 0; put32(&out, (int32_t)(end - 4));
  c->requestSize = end;
  return end - batch;
}
int main(int count, char **argument) {
  if (count < 10) { fprintf(stderr, "usage: produce PORT[,PORT…] CONNECTIONS DEPTH RECORDS RECORD_BYTES SECONDS TOPIC PARTITIONS BROKER_PID[,PID…] [ACKS [RATE [SLOW_MICROS]]]\n"); return 2; }
  int ports[64], brokers[64], portCount = numbers(argument[1], ports), brokerCount = numbers(argument[9], brokers);
  int connections = atoi(argument[2]), records = atoi(argument[4]), recordBytes = atoi(argument[5]), partitions = atoi(argument[8]);
  double duration = atof(argument[6]);
  const char *topic = argument[7];
  int acks = count > 10 ? atoi(argument[10]) : 1;
  double rate = count > 11 ? atof(argument[11]) : 0, slowMicros = count > 12 ? atof(argument[12]) : 1e18;
  interval = rate > 0 ? connections / rate : 0;
  once = duration == 0;
  depth = atoi(argument[3]); topicLength = (int)strlen(topic);
  unsigned *histogram = calloc(histogramSize, sizeof *histogram);
  Connection *all = calloc((size_t)connections, sizeof *all);
  size_t batchBytes = 0;
  poller = epoll_create1(0);
  for (int i = 0; i < connections; i++) {
    Connection *c = &all[i];
    batchBytes = buildRequest(c, topic, i % partitions, records, recordBytes, acks);
    c->sentAt = calloc((size_t)depth + 1, sizeof(double));
    c->fd = connectLoopback(ports[i % partitions % portCount]);
    c->due = seconds() + (interval > 0 ? interval * i / connections : 0);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
  }
  for (int i = 0; i < connections; i++) pump(&all[i]);
  // answer: size, correlation, topics, name, partitions, index, error…
  size_t errorAt = 4 + 4 + 4 + 2 + (size_t)topicLength + 4 + 4;
  long done = 0, errors = 0, from = 0;
  double start = seconds() + (once ? 0 : 0.5), cpuFrom = once ? cpuOfAll(brokers, brokerCount) : 0;
  int warm = once;
  struct epoll_event events[256];
  for (;;) {
    struct timespec wait = { 0, 100000000 };
    if (interval > 0) {
      double next = all[0].due, at = seconds();
      for (int i = 1; i < connections; i++) if (all[i].due < next) next = all[i].due;
      wait.tv_nsec = next <= at ? 0 : next - at < 0.1 ? (long)((next - at) * 1e9) : wait.tv_nsec;
      if (next <= at) for (int i = 0; i < connections; i++) if (all[i].due <= at) pump(&all[i]);
    }
    int n = epoll_pwait2(poller, events, 256, &wait, NULL);
    double now = seconds();
    if (!warm && now > start) { warm = 1; start = now; from = done; errors = 0; cpuFrom = cpuOfAll(brokers, brokerCount); memset(histogram, 0, histogramSize * sizeof *histogram); }
    if (once ? done == (long)connections * depth : warm && now > start + duration) break;
    for (int i = 0; i < n; i++) {
      Connection *c = events[i].data.ptr;
      if (events[i].events & EPOLLIN) {
        ssize_t k = read(c->fd, c->answer + c->answerSize, sizeof c->answer - c->answerSize);
        if (k <= 0) { fprintf(stderr, "the broker closed the connection\n"); return 1; }
        c->answerSize += (size_t)k;
        size_t at = 0;
        now = seconds();
        while (c->answerSize - at >= 4) {
          size_t size = get32(c->answer + at) + 4;
          if (c->answerSize - at < size) break;
          if (c->answer[at + errorAt] | c->answer[at + errorAt + 1]) errors++;
          at += size; c->inFlight--; done++;
          double us = (now - c->sentAt[c->tail]) * 1e6;
          if (us > slowMicros) fprintf(stderr, "slow %.6f %.0f %d\n", c->sentAt[c->tail], us, (int)(c - all) % partitions);
          c->tail = (c->tail + 1) % (depth + 1);
          histogram[us < 0 ? 0 : us < histogramSize ? (int)us : histogramSize - 1]++;
        }
        if (at > 0) { memmove(c->answer, c->answer + at, c->answerSize - at); c->answerSize -= at; }
      }
      pump(c);
    }
  }
  double elapsed = seconds() - start, cpu = cpuOfAll(brokers, brokerCount) - cpuFrom;
  long measured = done - from, seen = 0;
  const double shares[] = { 0.5, 0.9, 0.99, 0.999, 1 };
  int percentiles[5] = { 0 }, found = 0;
  for (int i = 0; i < histogramSize; i++) {
    seen += histogram[i];
    while (found < 5 && seen > 0 && (double)seen >= (double)measured * shares[found]) percentiles[found++] = i;
  }
  double bytes = (double)measured * (double)batchBytes;
  printf("{\"requestsPerSecond\":%.0f,\"megabytesPerSecond\":%.1f,\"messagesPerSecond\":%.0f,\"megabytesPerBrokerCpuSecond\":%.1f,\"brokerCpu\":%.3f,\"brokerCpuMicrosPerRequest\":%.2f,\"p50Micros\":%d,\"p90Micros\":%d,\"p99Micros\":%d,\"p999Micros\":%d,\"maxMicros\":%d,\"errors\":%ld,\"batchBytes\":%zu,\"clientCpu\":%.2f}\n",
    (double)measured / elapsed, bytes / elapsed / 1e6, (double)measured * records / elapsed, cpu > 0 ? bytes / cpu / 1e6 : 0, cpu / elapsed, measured > 0 ? cpu * 1e6 / (double)measured : 0, percentiles[0], percentiles[1], percentiles[2], percentiles[3], percentiles[4], errors, batchBytes, ownCpuSeconds() / (elapsed + 0.5));
  return errors > 0;
}
