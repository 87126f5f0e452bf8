#include "CLinux.h"

#include <errno.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int clinux_rtnetlink_open(void) {
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return netlink < 0 ? -errno : netlink;
}

int clinux_rtnetlink_hear_links(int netlink) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int on = 1;
    if (setsockopt(netlink, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) < 0 ||
        bind(netlink, (const struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    return 0;
}

void clinux_rtnetlink_discard(int netlink) {
    char byte;
    // What does not fit is cut off, and ENOBUFS tells once that there was more than the socket could hold.
    while (recv(netlink, &byte, sizeof byte, MSG_DONTWAIT) >= 0 || errno == ENOBUFS || errno == EINTR)
        ;
}

int clinux_rtnetlink_identify(int netlink, int namespace) {
    struct {
        struct nlmsghdr header;
        struct rtgenmsg message __attribute__((aligned(NLMSG_ALIGNTO)));
        struct rtattr id __attribute__((aligned(NLMSG_ALIGNTO)));
        int32_t id_value;
        struct rtattr descriptor;
        uint32_t descriptor_value;
    } request = {
        .header = {sizeof request, RTM_NEWNSID, NLM_F_REQUEST | NLM_F_ACK, 0, 0},
        .message = {AF_UNSPEC},
        .id = {RTA_LENGTH(sizeof(int32_t)), NETNSA_NSID},
        .id_value = NETNSA_NSID_NOT_ASSIGNED, // any
        .descriptor = {RTA_LENGTH(sizeof(uint32_t)), NETNSA_FD},
        .descriptor_value = (uint32_t)namespace,
    };
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[512]; // the request again, and the extended acknowledgement
    } reply;
    if (send(netlink, &request, sizeof request, 0) < 0)
        return -errno;
    ssize_t size;
    do {
        size = recv(netlink, &reply, sizeof reply, 0);
    } while (size < 0 && errno == EINTR);
    if (size < 0)
        return -errno;
    if ((size_t)size < NLMSG_LENGTH(sizeof reply.error) || reply.header.nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return reply.error.error == -EEXIST ? 0 : reply.error.error;
}
