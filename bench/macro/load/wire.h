// Shared by the load generators: a big-endian writer, CRC-32C, a clock, and a connected loopback socket.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct { uint8_t *bytes; size_t at; } Out;
static inline void put8(Out *out, int v) { out->bytes[out->at++] = (uint8_t)v; }
static inline void put16(Out *out, int v) { put8(out, v >> 8); put8(out, v); }
static inline void put32(Out *out, int32_t v) { put16(out, v >> 16); put16(out, v); }
static inline void put64(Out *out, int64_t v) { put32(out, (int32_t)(v >> 32)); put32(out, (int32_t)v); }
static inline void putVarint(Out *out, uint32_t v) { // zig-zag is the caller's business
  for (; v >= 128; v >>= 7) put8(out, (int)(v & 127) | 128);
  put8(out, (int)v);
}
static inline int varintSize(uint32_t v) { int n = 1; for (; v >= 128; v >>= 7) n++; return n; }
static inline void putString(Out *out, const char *s) { put16(out, (int)strlen(s)); memcpy(out->bytes + out->at, s, strlen(s)); out->at += strlen(s); }
static inline uint32_t get32(const uint8_t *b) { return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]; }
static inline int64_t get64(const uint8_t *b) { return (int64_t)((uint64_t)get32(b) << 32 | get32(b + 4)); }

static inline uint32_t crc32c(const uint8_t *bytes, size_t size) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
  }
  return ~crc;
}
static inline double seconds(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return (double)t.tv_sec + (double)t.tv_nsec * 1e-9; }
static inline double ownCpuSeconds(void) {
  struct rusage r; getrusage(RUSAGE_SELF, &r);
  return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}
static inline int connectLoopback(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) { perror("connect"); exit(1); }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}
// CPU of another process, user plus system, from /proc: what the operating system charged to it.
static inline double cpuSecondsOf(int pid) {
  if (pid <= 0) return 0;
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  size_t n = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[n] = 0;
  char *p = strrchr(text, ')');
  unsigned long user = 0, system = 0;
  if (p != NULL) sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}
