// The least that a broker can do: reads requests and answers each with 14 bytes, as Heartbeat v3 is answered. Prints its port, then serves until it is killed.
//   echo
#include "wire.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

int main(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0), one = 1;
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0) { perror("listen"); return 1; }
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[256];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  static uint8_t request[65536], answer[14] = { 0, 0, 0, 10 };
  for (;;) {
    int n = epoll_wait(poller, events, 256, -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        event.data.fd = accept(listener, NULL, NULL);
        setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event);
        continue;
      }
      ssize_t k = read(fd, request, sizeof request);
      if (k <= 0) { close(fd); continue; }
      memcpy(answer + 4, request + 8, 4);
      if (write(fd, answer, sizeof answer) < 0 && errno != EAGAIN) close(fd);
    }
  }
}
