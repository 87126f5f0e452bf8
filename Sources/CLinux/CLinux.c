#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U // linux/stat.h, Linux 5.8
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U // linux/stat.h, Linux 6.8
#endif
#define STX_MNT_ID_OFFSET 0x90
#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x00002000 // linux/stat.h, Linux 5.8
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1 // linux/mount.h, Linux 5.2
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004 // linux/mount.h, Linux 5.2
#endif
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL // linux/pidfd.h, Linux 6.9
#endif
#ifndef PIDFD_GET_NET_NAMESPACE
#define PIDFD_GET_NET_NAMESPACE _IO(0xFF, 4) // linux/pidfd.h, Linux 6.11
#endif
#ifndef NS_GET_ID
#define NS_GET_ID _IOR(NSIO, 13, uint64_t) // linux/nsfs.h, Linux 6.18
#endif
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 // asm-generic/socket.h, Linux 5.14
#endif

const int64_t clinux_nsfs_magic = NSFS_MAGIC;
const int clinux_o_path = O_PATH;
const int clinux_capability_sys_admin = CAP_SYS_ADMIN;
const int clinux_capability_net_admin = CAP_NET_ADMIN;
const int clinux_capability_sys_ptrace = CAP_SYS_PTRACE;
const int clinux_capability_net_broadcast = CAP_NET_BROADCAST;

static int answer(long result) { return result < 0 ? -errno : (int)result; }

const char *clinux_errno_name(int number) { return strerrorname_np(number); }

int clinux_open(const char *path, int flags, unsigned mode) { return answer(open(path, flags | O_CLOEXEC, mode)); }

int clinux_open_in(int directory, const char *name, int flags) {
    return answer(openat(directory, name, flags | O_CLOEXEC));
}

int clinux_close(int descriptor) { return answer(close(descriptor)); }

int clinux_read(int descriptor, void *buffer, size_t size) { return answer(read(descriptor, buffer, size)); }

int clinux_write(int descriptor, const void *buffer, size_t size) { return answer(write(descriptor, buffer, size)); }

int clinux_write_at(int descriptor, const void *buffer, size_t size, int64_t offset) {
    return answer(pwrite(descriptor, buffer, size, offset));
}

int clinux_is_there(int descriptor, int64_t size) {
    struct stat facts;
    if (fstat(descriptor, &facts) != 0)
        return -errno;
    return facts.st_nlink > 0 && facts.st_size >= size;
}

int clinux_make_file(const char *path, unsigned mode) { return answer(mknod(path, S_IFREG | mode, 0)); }

int clinux_truncate(int descriptor, int64_t size) { return answer(ftruncate(descriptor, size)); }

int clinux_flock(int descriptor, int operation) { return answer(flock(descriptor, operation)); }

int clinux_make_directory(const char *path, unsigned mode) { return answer(mkdir(path, mode)); }

int clinux_rename(const char *from, const char *to) { return answer(rename(from, to)); }

int clinux_unlink(const char *path) { return answer(unlink(path)); }

int clinux_remove_directory(const char *path) { return answer(rmdir(path)); }

int clinux_change_mode(int descriptor, unsigned mode) { return answer(fchmod(descriptor, mode)); }

int clinux_real_path(const char *path, char *resolved) { return realpath(path, resolved) == NULL ? -errno : 0; }

int clinux_read_link(const char *path, void *target, size_t size) { return answer(readlink(path, target, size)); }

static int node_from(int directory, const char *path, int flags, struct clinux_node *node) {
    struct statx result;
    if (statx(directory, path, flags | AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS | STATX_MNT_ID | STATX_MNT_ID_UNIQUE,
              &result) < 0)
        return -errno;
    node->device = makedev(result.stx_dev_major, result.stx_dev_minor);
    node->inode = result.stx_ino;
    // stx_mnt_id by its place in the kernel's ABI: glibc 2.36 keeps it under padding.
    memcpy(&node->mount_id, (const char *)&result + STX_MNT_ID_OFFSET, sizeof node->mount_id);
    node->is_mount_root = (result.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    node->is_directory = S_ISDIR(result.stx_mode);
    return 0;
}

int clinux_node_at(const char *path, bool follow, struct clinux_node *node) {
    return node_from(AT_FDCWD, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, node);
}

int clinux_node_of(int descriptor, struct clinux_node *node) { return node_from(descriptor, "", AT_EMPTY_PATH, node); }

static int file_from(const struct stat *status, struct clinux_file *file) {
    file->device = status->st_dev;
    file->inode = status->st_ino;
    file->size = status->st_size;
    file->modified = status->st_mtim.tv_sec * INT64_C(1000000000) + status->st_mtim.tv_nsec;
    file->changed = status->st_ctim.tv_sec * INT64_C(1000000000) + status->st_ctim.tv_nsec;
    file->owner = status->st_uid;
    file->permissions = status->st_mode & 07777;
    file->is_regular = S_ISREG(status->st_mode);
    return 0;
}

int clinux_file_at(const char *path, struct clinux_file *file) {
    struct stat status;
    return stat(path, &status) < 0 ? -errno : file_from(&status, file);
}

int clinux_file_of(int descriptor, struct clinux_file *file) {
    struct stat status;
    return fstat(descriptor, &status) < 0 ? -errno : file_from(&status, file);
}

int clinux_sync(int descriptor) { return answer(fsync(descriptor)); }

int clinux_filesystem_magic(const char *path, int64_t *magic) {
    struct statfs result;
    if (statfs(path, &result) < 0)
        return -errno;
    *magic = result.f_type;
    return 0;
}

int clinux_bind_mount(const char *source, const char *target, bool recursive) {
    return answer(mount(source, target, "none", MS_BIND | (recursive ? MS_REC : 0), NULL));
}

int clinux_make_private(const char *target) { return answer(mount("", target, "none", MS_PRIVATE, NULL)); }

int clinux_make_shared_recursively(const char *target) {
    return answer(mount("", target, "none", MS_SHARED | MS_REC, NULL));
}

int clinux_detach(const char *target) { return answer(umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW)); }

int clinux_open_mount(int namespace) {
    return answer(syscall(SYS_open_tree, namespace, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | O_CLOEXEC));
}

int clinux_move_mount(int mount, const char *target) {
    return answer(syscall(SYS_move_mount, mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH));
}

int clinux_name_thread(const char *name) { return answer(prctl(PR_SET_NAME, name)); }

int clinux_unshare_network(void) { return answer(unshare(CLONE_NEWNET)); }

int clinux_enter_network(int descriptor) { return answer(setns(descriptor, CLONE_NEWNET)); }

int clinux_is_network_namespace(int descriptor) {
    int type = ioctl(descriptor, NS_GET_NSTYPE);
    return type < 0 ? -errno : type == CLONE_NEWNET;
}

// Any family will do for SO_NETNS_COOKIE and the interface ioctls; AF_UNIX is there on every kernel.
int clinux_control_socket(void) { return answer(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }

int clinux_network_of(int socket) { return answer(ioctl(socket, SIOCGSKNS)); }

int clinux_network_cookie(int descriptor, uint64_t *cookie) {
    socklen_t size = sizeof *cookie;
    return answer(getsockopt(descriptor, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size));
}

int clinux_own_thread(void) { return answer(syscall(SYS_pidfd_open, gettid(), PIDFD_THREAD)); }

int clinux_network_of_thread(int thread) { return answer(ioctl(thread, PIDFD_GET_NET_NAMESPACE, 0)); }

int clinux_namespace_id(int namespace, uint64_t *id) { return answer(ioctl(namespace, NS_GET_ID, id)); }

// By its index, which is 1 in every namespace (LOOPBACK_IFINDEX, include/net/flow.h): its name can be changed, and be
// another link's then.
int clinux_loopback_is_up(int descriptor) {
    struct ifreq request;
    int result = -ENODEV;
    // Another name between the two calls is as unlikely as it is harmless.
    for (int attempt = 0; attempt < 8 && result == -ENODEV; attempt++) {
        memset(&request, 0, sizeof request);
        request.ifr_ifindex = 1;
        result = answer(ioctl(descriptor, SIOCGIFNAME, &request));
        if (result == 0)
            result = answer(ioctl(descriptor, SIOCGIFFLAGS, &request));
    }
    return result < 0 ? result : (request.ifr_flags & IFF_UP) != 0;
}

// Of a new namespace: nobody has been in it who could have given the interface another name, or taken its name.
int clinux_new_loopback_raise(int descriptor) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    return answer(ioctl(descriptor, SIOCSIFFLAGS, &request));
}

int clinux_node_in(int directory, const char *name, bool follow, struct clinux_node *node) {
    return node_from(directory, name, AT_NO_AUTOMOUNT | (follow ? 0 : AT_SYMLINK_NOFOLLOW), node);
}

const uint32_t clinux_notify_lost = IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;

int clinux_notify_open(void) { return answer(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)); }

int clinux_notify_watch(int notify, const char *path) {
    uint32_t entries = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
    return answer(inotify_add_watch(notify, path, entries | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR));
}

int clinux_notify_watch_writes(int notify, const char *path) {
    return answer(inotify_add_watch(notify, path, IN_MODIFY | IN_ONLYDIR));
}

int clinux_notify_forget(int notify, int watch) { return answer(inotify_rm_watch(notify, watch)); }

int clinux_event_open(void) { return answer(eventfd(0, EFD_CLOEXEC)); }

int clinux_event_signal(int event) { return answer(eventfd_write(event, 1)); }

int clinux_wait(int event, int notify, int mounts, int milliseconds) {
    struct pollfd waited[] = {{event, POLLIN, 0}, {notify, POLLIN, 0}, {mounts, POLLPRI, 0}};
    int count = poll(waited, sizeof waited / sizeof *waited, milliseconds);
    if (count < 0)
        return -errno;
    return (waited[0].revents != 0 ? CLINUX_WOKEN_BY_EVENT : 0) | (waited[1].revents != 0 ? CLINUX_WOKEN_BY_NOTIFY : 0) |
           (waited[2].revents != 0 ? CLINUX_WOKEN_BY_MOUNTS : 0);
}

int clinux_watch_set(int links, int notify, int mounts) {
    const struct epoll_event wanted[] = {{.events = EPOLLIN}, {.events = EPOLLIN}, {.events = EPOLLPRI}};
    const int descriptors[] = {links, notify, mounts};
    int set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0)
        return -errno;
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        struct epoll_event event = wanted[i];
        if (epoll_ctl(set, EPOLL_CTL_ADD, descriptors[i], &event) == 0)
            continue;
        int error = errno;
        close(set);
        return -error;
    }
    return set;
}

int clinux_watch_set_has_news(int set) {
    struct epoll_event events[3];
    return answer(epoll_wait(set, events, sizeof events / sizeof *events, 0));
}

int clinux_forget(uintptr_t start, uintptr_t end) {
    return answer(madvise((void *)start, end - start, MADV_DONTNEED));
}

static cpu_set_t processors_at_start;

__attribute__((constructor)) static void remember_processors(void) {
    if (sched_getaffinity(0, sizeof processors_at_start, &processors_at_start) != 0)
        CPU_ZERO(&processors_at_start);
}

int clinux_avoid_processor(int thread, int processor) {
    cpu_set_t set = processors_at_start;
    if (processor >= 0 && processor < CPU_SETSIZE)
        CPU_CLR(processor, &set);
    if (CPU_COUNT(&set) == 0)
        return -EINVAL;
    return answer(sched_setaffinity(thread, sizeof set, &set));
}

int clinux_processor(void) { return sched_getcpu(); }

int clinux_thread_id(void) { return gettid(); }
