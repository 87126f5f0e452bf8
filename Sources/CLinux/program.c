#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int clinux_pipe(int *reader, int *writer) {
    int ends[2];
    // Only our end must not block: the program's own is an open file of its own.
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
        int number = errno;
        close(ends[0]);
        close(ends[1]);
        return -number;
    }
    *reader = ends[0];
    *writer = ends[1];
    return 0;
}

int clinux_memory_file(const char *name) {
    int file = memfd_create(name, MFD_CLOEXEC);
    return file < 0 ? -errno : file;
}

int clinux_rewind(int descriptor) { return lseek(descriptor, 0, SEEK_SET) < 0 ? -errno : 0; }

static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, const int *standard) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int number = 0;
    for (int i = 0; number == 0 && i < 3; i++)
        number = posix_spawn_file_actions_adddup2(actions, standard[i], i);
    // For descriptors that some library opened without O_CLOEXEC.
    if (number == 0)
        number = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    if (number == 0)
        number = posix_spawnattr_setpgroup(attributes, 0);
    if (number == 0)
        number = posix_spawnattr_setsigmask(attributes, &none);
    if (number == 0)
        number = posix_spawnattr_setsigdefault(attributes, &all);
    if (number == 0)
        number = posix_spawnattr_setflags(attributes,
                                          POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return number;
}

int clinux_spawn(const char *path, char *const *arguments, char *const *environment, const int *standard) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int number = posix_spawn_file_actions_init(&actions);
    if (number != 0)
        return -number;
    number = posix_spawnattr_init(&attributes);
    if (number == 0) {
        pid_t process = 0;
        number = prepare(&actions, &attributes, standard);
        if (number == 0)
            number = posix_spawn(&process, path, &actions, &attributes, arguments, environment);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return number == 0 ? process : -number;
    }
    posix_spawn_file_actions_destroy(&actions);
    return -number;
}

int clinux_process_descriptor(int process) {
    long descriptor = syscall(SYS_pidfd_open, process, 0);
    return descriptor < 0 ? -errno : (int)descriptor;
}

int clinux_kill_group(int group) { return kill(-group, SIGKILL) < 0 ? -errno : 0; }

int clinux_reap(int process, int *signal) {
    int status;
    if (waitpid(process, &status, 0) < 0)
        return -errno;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}
