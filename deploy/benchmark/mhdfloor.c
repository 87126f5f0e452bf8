// mhdfloor: libmicrohttpd's own floor, in C: one fixed JSON answer (100 bytes, or a file's content) from an
// epoll thread pool on 127.0.0.1.
//
//   cc -O2 -o mhdfloor mhdfloor.c -lmicrohttpd && ./mhdfloor PORT POOL_THREADS SECONDS [FILE]
//
// Handed down with the project's first measurements, and kept as it was, so that figures can be compared with those.
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <unistd.h>

static const char small[] =
    "{\"status\":\"ok\",\"padding\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}";
static char *body = (char *)small;
static size_t body_size = sizeof small - 1;

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **request) {
  static int seen;
  (void)context, (void)url, (void)method, (void)version, (void)data;
  if (*request == NULL) {
    *request = &seen;
    return MHD_YES;
  }
  if (*size != 0) {
    *size = 0;
    return MHD_YES;
  }
  struct MHD_Response *response =
      MHD_create_response_from_buffer(body_size, body, MHD_RESPMEM_PERSISTENT);
  MHD_add_response_header(response, "Content-Type", "application/json");
  enum MHD_Result result = MHD_queue_response(connection, 200, response);
  MHD_destroy_response(response);
  return result;
}

int main(int argc, char **argv) {
  if (argc < 4 || argc > 5) {
    fprintf(stderr, "usage: mhdfloor PORT POOL_THREADS SECONDS [FILE]\n");
    return 2;
  }
  if (argc == 5) {
    FILE *file = fopen(argv[4], "rb");
    if (file == NULL || (body = malloc(1 << 24)) == NULL) {
      perror(argv[4]);
      return 1;
    }
    body_size = fread(body, 1, 1 << 24, file);
    fclose(file);
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  unsigned int pool = atoi(argv[2]);
  struct MHD_Daemon *daemon =
      MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR, &address,
                       MHD_OPTION_CONNECTION_LIMIT, 1024u, pool > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
                       pool, MHD_OPTION_END);
  if (daemon == NULL) {
    perror("mhdfloor");
    return 1;
  }
  sleep(atoi(argv[3]));
  MHD_stop_daemon(daemon);
  return 0;
}
