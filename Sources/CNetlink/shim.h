// libnl-3 and libnl-route-3 for Swift: their headers, those of the kernel whose messages they carry, and the socket
// calls, which answer 0 or a positive result, or minus the errno: libnl's own numbers for errors lose it.
#ifndef CNETLINK_SHIM_H
#define CNETLINK_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/route/route.h>
#include <netlink/route/rtnl.h>
#include <netlink/utils.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

// From later kernels' headers than Debian 12's.
#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

enum {
    CNETLINK_NONBLOCK = SOCK_NONBLOCK,
    CNETLINK_TYPE_MASK = NLA_TYPE_MASK, // which Swift does not import
    CNETLINK_BATCH = 64,         // how many messages one cnetlink_send takes
    CNETLINK_BUFFER = 64 * 1024, // more than the 32 KiB of the longest datagram of a dump (netlink_dump, af_netlink.c)
};

// rtnetlink(7) in the calling thread's network namespace, close-on-exec: with refusals explained (NETLINK_EXT_ACK) and
// not padded with the request (NETLINK_CAP_ACK), and dumps that heed their filters (NETLINK_GET_STRICT_CHK). A kernel
// without one of these (before Linux 4.20) does without it.
static inline int cnetlink_open(int flags) {
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);
    if (descriptor < 0)
        return -errno;
    const int on = 1, bytes = 1 << 20;
    // The kernel answers before it returns from sending: to wait for longer is to wait for ever.
    const struct timeval limit = {.tv_sec = 10};
    (void)setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    (void)setsockopt(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    (void)setsockopt(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
        (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}

// Gives the socket a port of its own. One without hears nothing: the kernel takes it for the sender.
static inline int cnetlink_bind(int descriptor) {
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    return bind(descriptor, (const struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
}

static inline int cnetlink_join(int descriptor, int group) {
    return setsockopt(descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0 ? -errno : 0;
}

// Hears of every namespace besides that has an id in the socket's own, each datagram with that id; takes
// CAP_NET_BROADCAST over those namespaces.
static inline int cnetlink_hear_all_namespaces(int descriptor) {
    const int on = 1;
    return setsockopt(descriptor, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) < 0 ? -errno : 0;
}

// Sends up to CNETLINK_BATCH messages as one datagram; the kernel does one after the other, also after a refusal.
static inline int cnetlink_send(int descriptor, struct nl_msg *const *messages, size_t count) {
    struct iovec pieces[CNETLINK_BATCH];
    size_t total = 0;
    for (size_t index = 0; index < count; index++) {
        struct nlmsghdr *header = nlmsg_hdr(messages[index]);
        // Attributes end at a multiple of four bytes, and so does every message.
        pieces[index] = (struct iovec){header, NLMSG_ALIGN(header->nlmsg_len)};
        total += NLMSG_ALIGN(header->nlmsg_len);
    }
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    ssize_t sent;
    do {
        sent = sendmsg(descriptor, &message, 0);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return -errno;
    return (size_t)sent == total ? 0 : -EMSGSIZE;
}

// The next datagram of the kernel's, and whose namespace it is about: its id in the socket's own, or -1 for that one.
static inline int cnetlink_receive(int descriptor, void *buffer, size_t size, int *namespace_id) {
    for (;;) {
        struct sockaddr_nl sender = {.nl_family = AF_NETLINK};
        struct iovec piece = {buffer, size};
        union {
            struct cmsghdr header;
            char bytes[CMSG_SPACE(sizeof(int))];
        } control;
        struct msghdr message = {
            .msg_name = &sender,
            .msg_namelen = sizeof sender,
            .msg_iov = &piece,
            .msg_iovlen = 1,
            .msg_control = &control,
            .msg_controllen = sizeof control,
        };
        ssize_t received = recvmsg(descriptor, &message, 0);
        if (received < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (sender.nl_pid != 0)
            continue; // another process's
        if (message.msg_flags & MSG_TRUNC)
            return -EMSGSIZE;
        *namespace_id = -1;
        for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item; item = CMSG_NXTHDR(&message, item))
            if (item->cmsg_level == SOL_NETLINK && item->cmsg_type == NETLINK_LISTEN_ALL_NSID)
                memcpy(namespace_id, CMSG_DATA(item), sizeof *namespace_id);
        return (int)received;
    }
}

// The index of a link of the socket's namespace by name: ioctl(SIOCGIFINDEX) of netdevice(7), which every socket takes.
static inline int cnetlink_index(int descriptor, const char *name) {
    struct ifreq request = {0};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return ioctl(descriptor, SIOCGIFINDEX, &request) < 0 ? -errno : request.ifr_ifindex;
}

// Makes a tun or tap device that stays in the calling thread's network namespace (TUNSETIFF, TUNSETPERSIST of
// tuntap.rst); an owner or a group of -1 is none.
static inline int cnetlink_make_tun(const char *name, int flags, int64_t owner, int64_t group) {
    int descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    struct ifreq request = {.ifr_flags = (short)flags};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int result = 0;
    if (ioctl(descriptor, TUNSETIFF, &request) < 0 ||
        (owner >= 0 && ioctl(descriptor, TUNSETOWNER, (unsigned long)owner) < 0) ||
        (group >= 0 && ioctl(descriptor, TUNSETGROUP, (unsigned long)group) < 0) ||
        ioctl(descriptor, TUNSETPERSIST, 1UL) < 0)
        result = -errno;
    close(descriptor);
    return result;
}

#endif
