// The system calls netnsd needs and Swift's Glibc module does not offer: they are variadic, need _GNU_SOURCE, or speak
// in structs that want a kernel header. Every function answers 0 or a positive result, or minus the errno; none retries.
#ifndef CLINUX_H
#define CLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Constants from kernel headers, so that Swift does not retype them.
extern const int64_t clinux_nsfs_magic;
extern const int clinux_o_path;
extern const int clinux_capability_sys_admin;
extern const int clinux_capability_net_admin;
extern const int clinux_capability_sys_ptrace;
extern const int clinux_capability_net_broadcast;

struct clinux_node {
    uint64_t device;    // st_dev, as stat(2) encodes it
    uint64_t inode;
    uint64_t mount_id;  // STATX_MNT_ID, or the never reused STATX_MNT_ID_UNIQUE from Linux 6.8 on
    bool is_mount_root; // STATX_ATTR_MOUNT_ROOT
    bool is_directory;
};

// The name of an errno, such as "ENOSPC"; NULL for a number that is none
const char *clinux_errno_name(int number);
// What tells one content of a file from another, and who may read it.
struct clinux_file {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    int64_t modified; // nanoseconds since 1970
    int64_t changed;  // of the content or the inode
    uint32_t owner;
    uint32_t permissions; // the mode without the file's type
    bool is_regular;
};

// Files
int clinux_open(const char *path, int flags, unsigned mode);
int clinux_open_in(int directory, const char *name, int flags);
int clinux_close(int descriptor);
int clinux_read(int descriptor, void *buffer, size_t size);
int clinux_write(int descriptor, const void *buffer, size_t size);
int clinux_write_at(int descriptor, const void *buffer, size_t size, int64_t offset);
int clinux_is_there(int descriptor, int64_t size); // 0 for a file without a name, or a shorter one
int clinux_make_file(const char *path, unsigned mode); // an empty one; EEXIST for whatever is there
int clinux_truncate(int descriptor, int64_t size);
int clinux_flock(int descriptor, int operation);
int clinux_make_directory(const char *path, unsigned mode);
int clinux_rename(const char *from, const char *to);
int clinux_unlink(const char *path);
int clinux_remove_directory(const char *path);
int clinux_change_mode(int descriptor, unsigned mode);
int clinux_real_path(const char *path, char *resolved /* PATH_MAX bytes */);
int clinux_read_link(const char *path, void *target, size_t size);
int clinux_node_at(const char *path, bool follow, struct clinux_node *node);
int clinux_node_of(int descriptor, struct clinux_node *node);
int clinux_file_at(const char *path, struct clinux_file *file);
int clinux_file_of(int descriptor, struct clinux_file *file);
int clinux_sync(int descriptor);
int clinux_filesystem_magic(const char *path, int64_t *magic);

// Mounts: mount(2), umount2(2)
int clinux_bind_mount(const char *source, const char *target, bool recursive);
int clinux_make_private(const char *target);
int clinux_make_shared_recursively(const char *target);
int clinux_detach(const char *target);
// Mounts without a place yet: open_tree(2) of what a namespace's descriptor stands for, and move_mount(2) to a file
int clinux_open_mount(int namespace);
int clinux_move_mount(int mount, const char *target);

// Threads: PR_SET_NAME of prctl(2), at most 15 bytes
int clinux_name_thread(const char *name);

// Network namespaces: unshare(2), setns(2), ioctl_ns(2)
int clinux_unshare_network(void);
int clinux_enter_network(int descriptor);
int clinux_is_network_namespace(int descriptor);
int clinux_control_socket(void);
int clinux_network_of(int socket);
int clinux_network_cookie(int socket, uint64_t *cookie);
// The calling thread, for itself alone to be asked about (pidfd_open(2), Linux 6.9), and the network namespace that it
// is in by then (ioctl_pidfd(2), Linux 6.11)
int clinux_own_thread(void);
int clinux_network_of_thread(int thread);
int clinux_namespace_id(int namespace, uint64_t *id); // Linux 6.18
int clinux_loopback_is_up(int socket);
int clinux_new_loopback_raise(int socket);

// An entry of an open directory, without waking an automount
int clinux_node_in(int directory, const char *name, bool follow, struct clinux_node *node);

// Watching: inotify(7), non-blocking; and eventfd(2)
extern const uint32_t clinux_notify_lost; // the events after which a watch misses changes, or missed some
int clinux_notify_open(void);
int clinux_notify_watch(int notify, const char *path);
int clinux_notify_watch_writes(int notify, const char *path); // to the files of a directory
int clinux_notify_forget(int notify, int watch);
int clinux_event_open(void);
int clinux_event_signal(int event);

// Keeps a thread of the process off one of the processors that the process was started for, or off none for -1; minus an
// errno where there is no other.
int clinux_avoid_processor(int thread, int processor);

int clinux_thread_id(void);

// The one that the calling thread runs on.
int clinux_processor(void);
int clinux_forget(uintptr_t start, uintptr_t end); // madvise(2), MADV_DONTNEED

// rtnetlink(7), by sockets of the network namespace that the calling thread is in
int clinux_rtnetlink_open(void);
// Hears from now on of the links of that namespace and of every one that has an id there, if the caller has
// CAP_NET_BROADCAST over it
int clinux_rtnetlink_hear_links(int netlink);
// Takes away what was heard; does not block
void clinux_rtnetlink_discard(int netlink);
// Gives a namespace an id there unless it has one (RTM_NEWNSID, ip-netns(8) set); not for a socket that hears of links
int clinux_rtnetlink_identify(int netlink, int namespace);

// Programs: posix_spawn(3) in a process group of its own, with nothing open but the three given descriptors, every signal
// as it is by default and none blocked; answers the process
int clinux_spawn(const char *path, char *const *arguments, char *const *environment, const int *standard);
int clinux_pipe(int *reader /* does not block */, int *writer);
int clinux_memory_file(const char *name);
int clinux_rewind(int descriptor);
int clinux_process_descriptor(int process); // pidfd_open(2): readable once the process has ended
int clinux_kill_group(int group);
int clinux_reap(int process, int *signal); // answers the exit status; 0 and the signal where one ended it

// poll(2) on the three that wake a watcher, -1 for one that shall not; a mountinfo's change is reported once only
#define CLINUX_WOKEN_BY_EVENT 1
#define CLINUX_WOKEN_BY_NOTIFY 2
#define CLINUX_WOKEN_BY_MOUNTS 4
int clinux_wait(int event, int notify, int mounts, int milliseconds);

// Such three as an epoll(7) set, which is asked in a third of the time when nothing has happened; does not block
int clinux_watch_set(int links, int notify, int mounts);
int clinux_watch_set_has_news(int set);

// Lets about a microsecond pass without taking much from the processor's other hardware thread.
static inline void clinux_relax(void) {
    for (int count = 0; count < 24; count++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb");
#endif
    }
}

#endif
