// churnfloor: the kernel's floor for namespaces that come and go: what nsfloor does to create one, and its removal.
//
//   cc -O2 -o churnfloor churnfloor.c -lpthread && sudo ./churnfloor COUNT THREADS [lo]
//
// Each of THREADS threads creates a namespace (unshare, file, bind, setns back) and removes it at once (unmount,
// unlink), COUNT times in all, in a mount namespace and a directory of its own. cleanup_net runs beside it, as beside
// the daemon.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char dir[64] = "/tmp/churnfloor-XXXXXX";
static int count, threads, raise_lo;
static double *created, *removed;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static void check(int result, const char *what) {
  if (result < 0) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
  }
}

static void loopback_up(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  check(s, "socket");
  check(ioctl(s, SIOCSIFFLAGS, &request), "lo up");
  close(s);
}

static void *worker(void *argument) {
  int k = (int)(long)argument;
  int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  for (int i = k; i < count; i += threads) {
    char path[128];
    snprintf(path, sizeof path, "%s/ns%d", dir, i);
    double start = now();
    check(unshare(CLONE_NEWNET), "unshare");
    if (raise_lo) loopback_up();
    int file = open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0444);
    check(file, "create file");
    close(file);
    check(mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL), "bind");
    check(setns(home, CLONE_NEWNET), "setns");
    double between = now();
    check(umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW), "unmount");
    check(unlink(path), "unlink");
    created[i] = between - start;
    removed[i] = now() - between;
  }
  close(home);
  return NULL;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc < 3 || (count = atoi(argv[1])) < 1 || (threads = atoi(argv[2])) < 1 || threads > 64) {
    fprintf(stderr, "usage: churnfloor COUNT THREADS [lo]\n");
    return 2;
  }
  raise_lo = argc > 3;
  created = calloc(count, sizeof *created);
  removed = calloc(count, sizeof *removed);
  check(unshare(CLONE_NEWNS), "unshare mount namespace");
  check(mount("", "/", "none", MS_PRIVATE | MS_REC, NULL), "make / private");
  if (!mkdtemp(dir)) check(-1, "mkdtemp");
  check(mount(dir, dir, "none", MS_BIND | MS_REC, NULL), "bind directory");
  check(mount("", dir, "none", MS_SHARED | MS_REC, NULL), "make directory shared");
  pthread_t thread[64];
  double start = now();
  for (long k = 0; k < threads; k++) pthread_create(&thread[k], NULL, worker, (void *)k);
  for (int k = 0; k < threads; k++) pthread_join(thread[k], NULL);
  double wall = now() - start;
  qsort(created, count, sizeof *created, ascending);
  qsort(removed, count, sizeof *removed, ascending);
  printf("churn count=%d threads=%d lo=%d p50_us=%.1f p99_us=%.1f removed_p50_us=%.1f removed_p99_us=%.1f "
         "per_second=%.0f\n",
         count, threads, raise_lo, created[count / 2], created[count * 99 / 100], removed[count / 2],
         removed[count * 99 / 100], count / wall * 1e6);
  umount2(dir, MNT_DETACH);
  rmdir(dir);
  return 0;
}
