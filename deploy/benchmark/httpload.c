// httpload: an HTTP/1.1 client that takes as little of the processor as it can, and every answer's time.
//
//   cc -O2 -o httpload httpload.c -lgnutls
//   httpload TARGET JOB [OPTION...]
//     TARGET  unix:PATH, tcp:PORT or tls:PORT, both on 127.0.0.1
//     JOB     get PATH                 the same request again and again
//             create PREFIX up|down    POST /v1/namespaces, PREFIX0, PREFIX1 ... with loopback up or down
//             delete PREFIX            DELETE of these
//             churn PREFIX up|down     each one created and deleted at once
//             send METHOD PATH FILE    a request with the file's content, - for none
//     OPTION  --clients N              connections, each kept alive and asking one thing at a time (1)
//             --count N                requests in all, of a churn pairs of them (1000)
//             --seconds S              no new request after that time
//             --header TEXT            one more field; --ca, --certificate, --key FILE for TLS
//
// One thread: with one client it blocks in read(2), with more it waits by epoll(7). Prints one line of NAME=NUMBER,
// times in microseconds; of a churn p50 and p99 are the creates' and removed_ the deletes'. An answer other than 2xx is
// shown and makes the exit status 1.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum job { GET, CREATE, DELETE, CHURN, SEND };
enum { LONGEST = 8 << 20 };

struct client {
  int descriptor;
  gnutls_session_t tls;
  char *answer;
  size_t received, expected, capacity;
  int number;
  int is_deleting;
  double began;
};

static const char *target, *path, *prefix, *loopback, *method, *header, *ca, *certificate, *key;
static enum job job;
static int clients = 1, count = 1000;
static double seconds;
static char *content = "";
static size_t content_length;
static char *fixed;
static size_t fixed_length;
static double *latency, *removal;
static int answered, removed_count, failures;
static size_t body_length;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static void fail(const char *what) {
  fprintf(stderr, "httpload: %s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
  exit(1);
}

static void begin_tls(struct client *client) {
  static gnutls_certificate_credentials_t credentials;
  if (credentials == NULL) {
    if (gnutls_certificate_allocate_credentials(&credentials) < 0 || ca == NULL ||
        gnutls_certificate_set_x509_trust_file(credentials, ca, GNUTLS_X509_FMT_PEM) < 1 ||
        (certificate != NULL &&
         gnutls_certificate_set_x509_key_file(credentials, certificate, key, GNUTLS_X509_FMT_PEM) < 0)) {
      fail("credentials");
    }
  }
  int result;
  if (gnutls_init(&client->tls, GNUTLS_CLIENT) < 0 || gnutls_set_default_priority(client->tls) < 0 ||
      gnutls_credentials_set(client->tls, GNUTLS_CRD_CERTIFICATE, credentials) < 0) {
    fail("TLS");
  }
  gnutls_session_set_verify_cert(client->tls, "localhost", 0);
  gnutls_transport_set_int(client->tls, client->descriptor);
  do result = gnutls_handshake(client->tls);
  while (result < 0 && gnutls_error_is_fatal(result) == 0);
  if (result < 0) {
    fprintf(stderr, "httpload: handshake: %s\n", gnutls_strerror(result));
    exit(1);
  }
}

static void open_connection(struct client *client) {
  client->capacity = 1 << 16;
  client->answer = malloc(client->capacity + 1);
  if (strncmp(target, "unix:", 5) == 0) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", target + 5);
    client->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(client->descriptor, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
    return;
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(target + 4))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  client->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int yes = 1;
  setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (connect(client->descriptor, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  if (strncmp(target, "tls:", 4) == 0) begin_tls(client);
}

static void put(struct client *client, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t sent = client->tls != NULL ? gnutls_record_send(client->tls, bytes, length)
                                       : write(client->descriptor, bytes, length);
    if (sent <= 0) fail("send");
    bytes += sent;
    length -= sent;
  }
}

static size_t compose(char *buffer, size_t size, const char *verb, const char *where, size_t body) {
  int length = snprintf(buffer, size, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s", verb, where,
                        header != NULL ? header : "", header != NULL ? "\r\n" : "");
  if (body > 0) {
    length += snprintf(buffer + length, size - length,
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n", body);
  }
  return length + snprintf(buffer + length, size - length, "\r\n");
}

static void ask(struct client *client) {
  char request[4096], where[256], body[256];
  const char *bytes = request;
  size_t length;
  if (job == GET || job == SEND) {
    bytes = fixed;
    length = fixed_length;
  } else if (job == DELETE || client->is_deleting) {
    snprintf(where, sizeof where, "/v1/namespaces/%s%d", prefix, client->number);
    length = compose(request, sizeof request, "DELETE", where, 0);
  } else {
    int size = snprintf(body, sizeof body, "{\"name\":\"%s%d\",\"loopback\":\"%s\"}", prefix, client->number, loopback);
    length = compose(request, sizeof request, "POST", "/v1/namespaces", size);
    memcpy(request + length, body, size);
    length += size;
  }
  client->received = client->expected = 0;
  client->began = now();
  put(client, bytes, length);
}

// Reads what there is, and says whether the answer is complete.
static int receive(struct client *client) {
  if (client->received == client->capacity) {
    client->capacity *= 2;
    if (client->capacity > LONGEST || (client->answer = realloc(client->answer, client->capacity + 1)) == NULL) {
      fail("answer too long");
    }
  }
  char *end = client->answer + client->received;
  size_t room = client->capacity - client->received;
  errno = 0;
  ssize_t length = client->tls != NULL ? gnutls_record_recv(client->tls, end, room)
                                       : read(client->descriptor, end, room);
  if (length == GNUTLS_E_AGAIN && client->tls != NULL) return 0;
  if (length <= 0) fail("the connection has ended");
  client->received += length;
  if (client->expected == 0) {
    client->answer[client->received] = 0;
    char *blank = strstr(client->answer, "\r\n\r\n");
    if (blank == NULL) return 0;
    *blank = 0;
    char *field = strcasestr(client->answer, "\r\ncontent-length:");
    if (field == NULL && strcasestr(client->answer, "\r\ntransfer-encoding:") != NULL) fail("a chunked answer");
    *blank = '\r';
    size_t body = field != NULL ? strtoul(field + 17, NULL, 10) : 0;
    client->expected = blank + 4 - client->answer + body;
    body_length = body;
  }
  return client->received >= client->expected;
}

static void record(struct client *client, double end) {
  int status = client->received > 12 ? atoi(client->answer + 9) : 0;
  if (status < 200 || status > 299) {
    if (failures++ == 0) fprintf(stderr, "httpload: %.*s\n", (int)client->received, client->answer);
  }
  if (client->is_deleting) {
    removal[removed_count++] = end - client->began;
  } else {
    latency[answered++] = end - client->began;
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double run(void) {
  struct client client[64];
  memset(client, 0, sizeof client);
  int poller = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < clients; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &client[i]};
    open_connection(&client[i]);
    epoll_ctl(poller, EPOLL_CTL_ADD, client[i].descriptor, &event);
  }
  struct client *idle[64];
  int idle_count = clients, busy = 0, asked = 0;
  for (int i = 0; i < clients; i++) idle[i] = &client[clients - 1 - i];
  double start = now(), limit = seconds > 0 ? start + seconds * 1e6 : 0, last = start;
  while (1) {
    if (limit > 0 && last > limit) count = asked;
    while (idle_count > 0 && asked < count) {
      struct client *next = idle[--idle_count];
      next->number = asked++;
      next->is_deleting = 0;
      busy++;
      ask(next);
    }
    if (busy == 0) break;
    struct epoll_event events[64];
    events[0].data.ptr = &client[0];
    int ready = clients == 1 ? 1 : epoll_wait(poller, events, 64, -1);
    for (int i = 0; i < ready; i++) {
      struct client *done = events[i].data.ptr;
      if (!receive(done)) continue;
      last = now();
      record(done, last);
      if (job == CHURN && !done->is_deleting) {
        done->is_deleting = 1;
        ask(done);
      } else {
        busy--;
        idle[idle_count++] = done;
      }
    }
  }
  return last - start;
}

static void read_file(const char *name) {
  FILE *file = fopen(name, "rb");
  if (file == NULL) fail(name);
  content = malloc(LONGEST);
  content_length = fread(content, 1, LONGEST, file);
  fclose(file);
}

static int usage(void) {
  fprintf(stderr, "usage: httpload TARGET get|create|delete|churn|send ... [OPTION...]: see httpload.c\n");
  return 2;
}

static int parse_job(int argc, char **argv) {
  static const struct { const char *name; enum job job; int arguments; } jobs[] = {
      {"get", GET, 1}, {"create", CREATE, 2}, {"delete", DELETE, 1}, {"churn", CHURN, 2}, {"send", SEND, 3}};
  for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
    if (strcmp(argv[2], jobs[i].name) != 0 || argc < 3 + jobs[i].arguments) continue;
    job = jobs[i].job;
    path = prefix = argv[3];
    loopback = argv[4];
    if (job == SEND) {
      method = argv[3];
      path = argv[4];
      if (strcmp(argv[5], "-") != 0) read_file(argv[5]);
    }
    return 3 + jobs[i].arguments;
  }
  exit(usage());
}

static void parse_options(int argc, char **argv, int i) {
  for (; i + 1 < argc; i += 2) {
    const char *value = argv[i + 1];
    if (strcmp(argv[i], "--clients") == 0) clients = atoi(value);
    else if (strcmp(argv[i], "--count") == 0) count = atoi(value);
    else if (strcmp(argv[i], "--seconds") == 0) seconds = atof(value);
    else if (strcmp(argv[i], "--header") == 0) header = value;
    else if (strcmp(argv[i], "--ca") == 0) ca = value;
    else if (strcmp(argv[i], "--certificate") == 0) certificate = value;
    else if (strcmp(argv[i], "--key") == 0) key = value;
    else exit(usage());
  }
  int is_tls = strncmp(target, "tls:", 4) == 0;
  if (i != argc || clients < 1 || clients > 64 || count < 1 || (is_tls && clients > 1)) exit(usage());
}

int main(int argc, char **argv) {
  if (argc < 4) return usage();
  target = argv[1];
  parse_options(argc, argv, parse_job(argc, argv));
  latency = calloc(count + 1, sizeof *latency);
  removal = calloc(count + 1, sizeof *removal);
  fixed = malloc(content_length + 4096);
  if (job == GET || job == SEND) {
    fixed_length = compose(fixed, 4096, job == GET ? "GET" : method, path, content_length);
    memcpy(fixed + fixed_length, content, content_length);
    fixed_length += content_length;
  }
  double wall = run();
  qsort(latency, answered, sizeof *latency, ascending);
  qsort(removal, removed_count, sizeof *removal, ascending);
  printf("count=%d clients=%d failures=%d bytes=%zu seconds=%.6f p50_us=%.1f p99_us=%.1f per_second=%.0f", answered,
         clients, failures, body_length, wall / 1e6, latency[answered / 2], latency[answered * 99 / 100],
         answered / wall * 1e6);
  if (removed_count > 0) {
    printf(" removed_p50_us=%.1f removed_p99_us=%.1f", removal[removed_count / 2], removal[removed_count * 99 / 100]);
  }
  printf("\n");
  return failures > 0;
}
