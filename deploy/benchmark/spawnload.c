// spawnload: what a command costs its caller that is started once for each namespace, such as ip netns add.
//
//   cc -O2 -o spawnload spawnload.c && ./spawnload COUNT CLIENTS PREFIX COMMAND [ARGUMENT...]
//
// Runs the command COUNT times, CLIENTS at once, with PREFIX and a number as its last argument.
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  int count, clients;
  if (argc < 5 || (count = atoi(argv[1])) < 1 || (clients = atoi(argv[2])) < 1 || clients > 64) {
    fprintf(stderr, "usage: spawnload COUNT CLIENTS PREFIX COMMAND [ARGUMENT...]\n");
    return 2;
  }
  char *arguments[64], name[128];
  int length = 0;
  for (int i = 4; i < argc && length < 62; i++) arguments[length++] = argv[i];
  arguments[length++] = name;
  arguments[length] = NULL;
  double *latency = calloc(count, sizeof *latency), begun[64];
  pid_t running[64] = {0};
  int started = 0, ended = 0;
  double start = now();
  while (ended < count) {
    for (int slot = 0; slot < clients && started < count; slot++) {
      if (running[slot] != 0) continue;
      snprintf(name, sizeof name, "%s%d", argv[3], started++);
      begun[slot] = now();
      errno = posix_spawnp(&running[slot], arguments[0], NULL, NULL, arguments, environ);
      if (errno != 0) {
        perror(arguments[0]);
        return 1;
      }
    }
    int status;
    pid_t pid = wait(&status);
    if (pid < 0 || status != 0) {
      fprintf(stderr, "%s failed: status %d\n", arguments[0], status);
      return 1;
    }
    for (int slot = 0; slot < clients; slot++) {
      if (running[slot] != pid) continue;
      latency[ended++] = now() - begun[slot];
      running[slot] = 0;
    }
  }
  double wall = now() - start;
  qsort(latency, count, sizeof *latency, ascending);
  printf("spawn count=%d clients=%d p50_us=%.1f p99_us=%.1f per_second=%.0f\n", count, clients, latency[count / 2],
         latency[count * 99 / 100], count / wall * 1e6);
  return 0;
}
