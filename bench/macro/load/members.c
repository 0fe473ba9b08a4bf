// Members of consumer groups as a client library would be, one connection each: they join, take their part, send heartbeats, and
// join again when they are told to.
//   members PORT cold   MEMBERS ROUNDS SESSION_MS           a new group per round: from the first JoinGroup until all have a part
//   members PORT leave  MEMBERS ROUNDS SESSION_MS           one more member leaves: from its LeaveGroup until all have a part again
//   members PORT expire MEMBERS ROUNDS SESSION_MS           one more member falls silent: from the end of its session until then
//   members PORT idle   MEMBERS SECONDS SESSION_MS BROKER_PID GROUP_SIZE HEARTBEAT_MS SETTLE_SECONDS
//     First the connections alone, which ask for ApiVersions as often as members send heartbeats; then they join groups and send heartbeats. After
//     either it waits for a line on its input.
//   members PORT echo   MEMBERS SECONDS SESSION_MS BROKER_PID GROUP_SIZE HEARTBEAT_MS SETTLE_SECONDS    heartbeats to whoever answers anything (echo.c)
// Prints one JSON object; for idle one after the other. All have a part: SyncGroup answered everybody for one generation, and its leader saw everybody.
#include "wire.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/epoll.h>

typedef enum { away, asking, joining, syncing, stable, leaving, silent, plain } State;
typedef struct {
  int fd, group, generation, isLeader, isWaiting;
  State state;
  double beatAt, heardAt, beatSeconds;
  char id[96], leader[96];
  uint8_t *answer;
  size_t answerSize, answerMax;
} Member;
typedef struct { char name[64]; int leaderGeneration, leaderSaw; } Group;

static Member *members;
static Group *groups;
static int memberCount, sessionMs, correlation;
static double beatSeconds = 0.001; // of members whose group is at work on something
static uint8_t frame[1 << 20];
static long beats;

static void putBytes(Out *out, const char *s) { put32(out, (int)strlen(s)); memcpy(out->bytes + out->at, s, strlen(s)); out->at += strlen(s); }
static Out begin(int api, int version) {
  Out out = { frame, 0 };
  put32(&out, 0); put16(&out, api); put16(&out, version); put32(&out, correlation++); putString(&out, "member");
  return out;
}
static void sendFrame(Member *m, Out out) {
  size_t size = out.at, sent = 0;
  out.at = 0; put32(&out, (int32_t)(size - 4));
  while (sent < size) {
    ssize_t n = write(m->fd, frame + sent, size - sent);
    if (n < 0 && errno == EAGAIN) continue;
    if (n < 0) { perror("write"); exit(1); }
    sent += (size_t)n;
  }
  m->isWaiting = 1;
}
static void join(Member *m) {
  Out out = begin(11, 5);
  putString(&out, groups[m->group].name); put32(&out, sessionMs); put32(&out, 60000); putString(&out, m->id); put16(&out, -1);
  putString(&out, "consumer"); put32(&out, 1); putString(&out, "range");
  put32(&out, 20); put16(&out, 0); put32(&out, 1); putString(&out, "members1"); put32(&out, -1);
  m->state = m->id[0] ? joining : asking;
  sendFrame(m, out);
}
static void syncPart(Member *m, const uint8_t *list, int count) {
  Out out = begin(14, 3);
  putString(&out, groups[m->group].name); put32(&out, m->generation); putString(&out, m->id); put16(&out, -1);
  put32(&out, count);
  for (int i = 0; i < count; i++) {
    size_t length = (size_t)list[0] << 8 | list[1];
    memcpy(out.bytes + out.at, list, 2 + length); out.at += 2 + length;
    putBytes(&out, "an assignment of thirty two byte");
    list += 2 + length;
    int16_t instance = (int16_t)(list[0] << 8 | list[1]);
    list += 2 + (instance > 0 ? instance : 0);
    list += 4 + get32(list);
  }
  m->state = syncing;
  sendFrame(m, out);
}
static void heartbeat(Member *m) {
  Out out = begin(12, 3);
  putString(&out, groups[m->group].name); put32(&out, m->generation); putString(&out, m->id); put16(&out, -1);
  beats++;
  sendFrame(m, out);
}
static void askVersions(Member *m) { beats++; sendFrame(m, begin(18, 0)); }
static void leaveBatch(Member *by, int from, int to) {
  Out out = begin(13, 3);
  putString(&out, groups[by->group].name); put32(&out, to - from);
  for (int i = from; i < to; i++) { putString(&out, members[i].id); put16(&out, -1); }
  by->state = leaving;
  sendFrame(by, out);
}
static const uint8_t *readString(const uint8_t *at, char *into) {
  int length = (int16_t)(at[0] << 8 | at[1]);
  if (length > 95) length = 95;
  if (length > 0) memcpy(into, at + 2, (size_t)length);
  into[length > 0 ? length : 0] = 0;
  return at + 2 + (length > 0 ? length : 0);
}
static void onAnswer(Member *m, const uint8_t *answer) {
  // size, correlation, throttle, error
  int error = (int16_t)(answer[12] << 8 | answer[13]);
  const uint8_t *at = answer + 14;
  m->isWaiting = 0;
  m->heardAt = seconds();
  switch (m->state) {
    case asking: case joining: {
      if (error == 79 || error == 0) {
        m->generation = (int)get32(at); at += 4;
        char protocol[96];
        at = readString(at, protocol); at = readString(at, m->leader); at = readString(at, m->id);
        if (error == 79) { join(m); return; }
        int count = (int)get32(at);
        m->isLeader = strcmp(m->leader, m->id) == 0;
        if (m->isLeader) { groups[m->group].leaderGeneration = m->generation; groups[m->group].leaderSaw = count; }
        syncPart(m, at + 4, m->isLeader ? count : 0);
        return;
      }
      if (error == 25) m->id[0] = 0;
      else if (error != 27 && error != 15 && error != 14) { fprintf(stderr, "join: error %d\n", error); exit(1); }
      join(m);
      return;
    }
    case syncing:
      if (error == 0) { m->state = stable; m->beatAt = m->heardAt + m->beatSeconds; return; }
      if (error == 25) m->id[0] = 0;
      else if (error != 27 && error != 22) { fprintf(stderr, "sync: error %d\n", error); exit(1); }
      join(m);
      return;
    case stable:
      m->beatAt = m->heardAt + m->beatSeconds;
      if (error == 0) return;
      if (error == 25) m->id[0] = 0;
      else if (error != 27 && error != 22) { fprintf(stderr, "heartbeat: error %d\n", error); exit(1); }
      join(m);
      return;
    case leaving:
      if (error != 0) { fprintf(stderr, "leave: error %d\n", error); exit(1); }
      m->id[0] = 0; m->state = away;
      return;
    case plain: m->beatAt = m->heardAt + m->beatSeconds; return;
    default: return;
  }
}
static int poller, isInputReady;
static void *inputReady;
// One turn: answers, then heartbeats that are due.
static void turn(int waitMs) {
  struct epoll_event events[512];
  int n = epoll_wait(poller, events, 512, waitMs);
  for (int i = 0; i < n; i++) {
    if (events[i].data.ptr == inputReady) { isInputReady = 1; continue; }
    Member *m = events[i].data.ptr;
    if (m->answerMax - m->answerSize < 2048) m->answer = realloc(m->answer, m->answerMax = m->answerMax * 2 + 4096);
    ssize_t k = read(m->fd, m->answer + m->answerSize, m->answerMax - m->answerSize);
    if (k < 0 && errno == EAGAIN) continue;
    if (k <= 0) { fprintf(stderr, "the broker closed the connection\n"); exit(1); }
    m->answerSize += (size_t)k;
    if (m->answerSize < 4 || m->answerSize < get32(m->answer) + 4) continue;
    m->answerSize = 0; // one request at a time: one answer
    onAnswer(m, m->answer);
    if (m->answerMax > 65536) { free(m->answer); m->answer = NULL; m->answerMax = 0; }
  }
  double now = seconds();
  for (int i = 0; i < memberCount; i++) {
    Member *m = &members[i];
    if (m->isWaiting || now < m->beatAt) continue;
    if (m->state == stable) heartbeat(m);
    else if (m->state == plain) askVersions(m);
  }
}
static int isSettled(int from, int to) {
  Group *g = &groups[members[from].group];
  if (g->leaderSaw != to - from) return 0;
  for (int i = from; i < to; i++) if (members[i].state != stable || members[i].generation != g->leaderGeneration) return 0;
  return 1;
}
static void untilSettled(int from, int to) {
  // Does not sleep: its own millisecond would be part of what it measures.
  for (double limit = seconds() + 60; !isSettled(from, to);) {
    turn(0);
    if (seconds() > limit) { fprintf(stderr, "the group did not settle within a minute\n"); exit(1); }
  }
}
static int byNumber(const void *a, const void *b) { double x = *(const double *)a, y = *(const double *)b; return x < y ? -1 : x > y; }
static double residentMegabytes(int pid) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  double kilobytes = 0;
  while (file != NULL && fgets(line, sizeof line, file)) if (sscanf(line, "VmRSS: %lf", &kilobytes) == 1) break;
  if (file != NULL) fclose(file);
  return kilobytes / 1024;
}
static struct epoll_event input = { .events = EPOLLIN, .data.ptr = &input };
// Until somebody writes a line to our input, or closes it; the connections go on meanwhile.
static void untilInput(void) {
  inputReady = &input;
  isInputReady = 0;
  epoll_ctl(poller, EPOLL_CTL_ADD, 0, &input);
  while (!isInputReady) turn(1);
  char line[64];
  if (read(0, line, sizeof line) < 0) perror("read");
  epoll_ctl(poller, EPOLL_CTL_DEL, 0, &input);
}
// One request per connection and interval, spread over the interval: what the broker uses for that, once its compiler and collector are done with what was before.
static void measureIdle(const char *name, double duration, double settleSeconds, int broker, double beatSeconds) {
  double spreadFrom = seconds();
  for (int i = 0; i < memberCount; i++) { members[i].beatSeconds = beatSeconds; members[i].beatAt = spreadFrom + beatSeconds * i / memberCount; }
  while (seconds() < spreadFrom + settleSeconds) turn(1);
  double from = seconds(), cpuFrom = cpuSecondsOf(broker);
  long beatsFrom = beats;
  while (seconds() < from + duration) turn(1);
  double elapsed = seconds() - from, cpu = cpuSecondsOf(broker) - cpuFrom;
  int unsettled = 0;
  for (int i = 0; i < memberCount; i++) unsettled += members[i].state != stable && members[i].state != plain;
  printf("{\"requests\":\"%s\",\"connections\":%d,\"residentMegabytes\":%.1f,\"brokerCpu\":%.4f,\"requestsPerSecond\":%.0f,\"cpuMicrosPerRequest\":%.1f,\"unsettled\":%d}\n",
    name, memberCount, residentMegabytes(broker), cpu / elapsed, (double)(beats - beatsFrom) / elapsed, beats > beatsFrom ? cpu * 1e6 / (double)(beats - beatsFrom) : 0, unsettled);
  fflush(stdout);
  untilInput();
}
static void joinAll(int groupSize) {
  for (int g = 0; g * groupSize < memberCount; g++) {
    int from = g * groupSize, to = from + groupSize < memberCount ? from + groupSize : memberCount;
    snprintf(groups[g].name, sizeof groups[g].name, "idle-%d", g);
    for (int i = from; i < to; i++) members[i].beatAt = HUGE_VAL;
    for (int i = from; i < to; i++) while (members[i].isWaiting) turn(1);
    // While a group gathers, its members are told at once.
    for (int i = from; i < to; i++) { members[i].group = g; members[i].beatSeconds = 0.05; join(&members[i]); }
    untilSettled(from, to);
    for (int i = from; i < to; i++) { members[i].beatSeconds = 3; members[i].beatAt = seconds() + 3; }
  }
}
int main(int count, char **argument) {
  if (count != 6 && count != 10) {
    fprintf(stderr, "usage: members PORT cold|leave|expire|idle|echo MEMBERS ROUNDS|SECONDS SESSION_MS [BROKER_PID GROUP_SIZE HEARTBEAT_MS SETTLE_SECONDS]\n");
    return 2;
  }
  int port = atoi(argument[1]), rounds = atoi(argument[4]);
  const char *mode = argument[2];
  int isCold = strcmp(mode, "cold") == 0, isExpiry = strcmp(mode, "expire") == 0, isIdle = strcmp(mode, "idle") == 0, isEcho = strcmp(mode, "echo") == 0;
  memberCount = atoi(argument[3]) + (isCold || isIdle || isEcho ? 0 : 1);
  sessionMs = atoi(argument[5]);
  members = calloc((size_t)memberCount, sizeof *members);
  groups = calloc((size_t)(memberCount > rounds ? memberCount : rounds) + 1, sizeof *groups);
  poller = epoll_create1(0);
  for (int i = 0; i < memberCount; i++) {
    Member *m = &members[i];
    m->beatSeconds = beatSeconds;
    m->fd = connectLoopback(port);
    fcntl(m->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = m };
    epoll_ctl(poller, EPOLL_CTL_ADD, m->fd, &event);
  }
  if (isIdle || isEcho) {
    double duration = atof(argument[4]), beatEvery = atof(argument[8]) / 1000, settleFor = atof(argument[9]);
    int broker = atoi(argument[6]);
    for (int i = 0; i < memberCount; i++) members[i].state = isEcho ? stable : plain;
    measureIdle(isEcho ? "echo" : "ApiVersions", duration, settleFor, broker, beatEvery);
    if (isEcho) return 0;
    joinAll(atoi(argument[7]));
    measureIdle("Heartbeat", duration, settleFor, broker, beatEvery);
    return 0;
  }
  double *times = calloc((size_t)rounds, sizeof *times);
  if (!isCold) {
    snprintf(groups[0].name, sizeof groups[0].name, "%s-%d", mode, getpid());
    for (int i = 0; i < memberCount; i++) join(&members[i]);
    untilSettled(0, memberCount);
  }
  for (int round = 0; round < rounds; round++) {
    double from;
    if (isCold) {
      snprintf(groups[round].name, sizeof groups[round].name, "cold-%d-%d", getpid(), round);
      from = seconds();
      for (int i = 0; i < memberCount; i++) { members[i].group = round; members[i].id[0] = 0; join(&members[i]); }
      untilSettled(0, memberCount);
    } else {
      Member *last = &members[memberCount - 1];
      while (last->isWaiting) turn(1);
      if (isExpiry) {
        last->state = silent;
        from = last->heardAt + sessionMs / 1000.0;
      } else {
        from = seconds();
        leaveBatch(last, memberCount - 1, memberCount);
      }
      untilSettled(0, memberCount - 1);
    }
    times[round] = (seconds() - from) * 1000;
    if (isCold) {
      for (int i = 1; i < memberCount; i++) { while (members[i].isWaiting) turn(1); members[i].state = away; }
      while (members[0].isWaiting) turn(1);
      leaveBatch(&members[0], 0, memberCount);
      while (members[0].isWaiting) turn(1);
    } else {
      Member *last = &members[memberCount - 1];
      while (last->isWaiting) turn(1);
      last->id[0] = 0; join(last);
      untilSettled(0, memberCount);
    }
  }
  qsort(times, (size_t)rounds, sizeof *times, byNumber);
  printf("{\"members\":%d,\"rounds\":%d,\"medianMs\":%.2f,\"minMs\":%.2f,\"maxMs\":%.2f,\"clientCpuSeconds\":%.3f}\n",
    memberCount, rounds, times[rounds / 2], times[0], times[rounds - 1], ownCpuSeconds());
  return 0;
}
