// libmicrohttpd for Swift: the header, and the variadic calls and macros that Swift's importer leaves out.
#ifndef CMICROHTTPD_SHIM_H
#define CMICROHTTPD_SHIM_H

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

struct cmicrohttpd_options {
    unsigned int threads; // of the pool; 1 for one thread without a pool, 0 for none: see cmicrohttpd_run
    unsigned int connection_limit; // of all threads together
    unsigned int connections_per_address; // of TCP; 0 for no limit
    unsigned int idle_timeout_seconds;
    size_t connection_memory_bytes;
    void *context; // the first argument of every callback but `connection`
    void *connection_context;
    MHD_AccessHandlerCallback access;
    MHD_RequestCompletedCallback completed;
    MHD_NotifyConnectionCallback connection;
    void *(*target)(void *context, const char *target, struct MHD_Connection *connection);
    MHD_LogCallback log;
    const char *tls_priorities;     // NULL for no TLS
    void *tls_certificate_callback; // a gnutls_certificate_retrieve_function3
};

// We decode targets ourselves, after splitting them: libmicrohttpd would make a separator of %2F and an end of %00.
static inline size_t cmicrohttpd_leave_escaped(void *context, struct MHD_Connection *connection, char *text) {
    (void)context, (void)connection;
    return strlen(text);
}

static inline struct MHD_Daemon *cmicrohttpd_start(const struct cmicrohttpd_options *options) {
    struct MHD_OptionItem pool[] = {
        {options->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, options->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem tls[] = {
        {options->tls_priorities ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END, 0,
         (void *)(uintptr_t)options->tls_priorities},
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, options->tls_certificate_callback},
        {MHD_OPTION_END, 0, NULL},
    };
    // In a handshake GnuTLS reads, not libmicrohttpd 0.9.75, which so takes the socket to be ready as epoll(7) once said,
    // and asks again and again: who sends half of a hello and waits would have a processor. poll(2) says what is so.
    enum MHD_FLAG events = options->tls_priorities ? MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS
                           : options->threads > 0  ? MHD_USE_EPOLL_INTERNAL_THREAD
                                                   : MHD_USE_EPOLL;
    // The logger first: it takes the messages that the later options cause.
    return MHD_start_daemon(
        events | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG,
        0, NULL, NULL, options->access, options->context, MHD_OPTION_EXTERNAL_LOGGER, options->log, options->context,
        MHD_OPTION_CONNECTION_LIMIT, options->connection_limit, MHD_OPTION_CONNECTION_TIMEOUT,
        options->idle_timeout_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_memory_bytes,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections_per_address, MHD_OPTION_NOTIFY_COMPLETED,
        options->completed, options->context, MHD_OPTION_NOTIFY_CONNECTION, options->connection,
        options->connection_context,
        MHD_OPTION_URI_LOG_CALLBACK, options->target, options->context, MHD_OPTION_UNESCAPE_CALLBACK,
        cmicrohttpd_leave_escaped, NULL, MHD_OPTION_ARRAY, pool, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

// accept4(2) and pthread_setname_np(3), which the C library declares with _GNU_SOURCE alone.
extern int accept4(int socket, struct sockaddr *address, socklen_t *size, int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);

// The next connection, non-blocking and close-on-exec; -1 with errno.
static inline int cmicrohttpd_accept(int socket, struct sockaddr *address, socklen_t *size) {
    return accept4(socket, address, size, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static inline void cmicrohttpd_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

// -1 with errno.
static inline int cmicrohttpd_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

// The epoll(7) set of a daemon without a thread; -1 on failure.
static inline int cmicrohttpd_events(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info ? info->epoll_fd : -1;
}

// Has a wait for the daemon's events end whenever the eventfd is written to, which need not be read for that. -1 with
// errno. Undocumented: libmicrohttpd passes over events with NULL for their data (MHD_epoll, from 0.9.40 to 1.0).
static inline int cmicrohttpd_listen_to(int events, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.ptr = NULL}};
    return epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event);
}

// Does what there is to do in a daemon without a thread, and waits for it before, if it is to.
static inline void cmicrohttpd_run(struct MHD_Daemon *daemon, int waits) { MHD_run_wait(daemon, waits ? -1 : 0); }

// Whether there is more to do for cmicrohttpd_run, without waiting for an event.
static inline int cmicrohttpd_has_more(struct MHD_Daemon *daemon) {
    MHD_UNSIGNED_LONG_LONG milliseconds;
    return MHD_get_timeout(daemon, &milliseconds) == MHD_YES && milliseconds == 0;
}

// ppoll(2), which the C library declares with _GNU_SOURCE alone.
extern int ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout, const sigset_t *mask);

// Waits until there is something to read, or so long. 1 if there is, 0 if not, -1 with errno.
static inline int cmicrohttpd_await(int descriptor, int64_t nanoseconds) {
    struct pollfd entry = {.fd = descriptor, .events = POLLIN};
    struct timespec timeout = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    return ppoll(&entry, 1, &timeout, NULL);
}

// As cmicrohttpd_await, to the microsecond, where the kernel otherwise takes its time, 50 of them.
static inline int cmicrohttpd_await_exactly(int descriptor, int64_t nanoseconds) {
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    int count = cmicrohttpd_await(descriptor, nanoseconds);
    // Back to the usual: threads and programs that this one starts would inherit it.
    prctl(PR_SET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);
    return count;
}

// struct sched_attr of sched_setattr(2), in its first form. The C library has it from 2.41 on only.
struct cmicrohttpd_scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

// syscall(2). <unistd.h> would make types of this module out of some that Swift has from Glibc.
extern long syscall(long number, ...);

// Has the calling thread given a processor soon, if for a tenth of a millisecond at a time (from Linux 6.12 on:
// kernel/sched/fair.c, custom slices).
static inline void cmicrohttpd_be_prompt(void) {
    const uint32_t other = 0; // SCHED_OTHER
    struct cmicrohttpd_scheduling current = {0};
    // Whoever runs the daemon may have other wishes than the usual ones.
    if (syscall(SYS_sched_getattr, 0, &current, sizeof(current), 0U) != 0 || current.policy != other)
        return;
    current.size = sizeof(current);
    current.runtime = 100000;
    syscall(SYS_sched_setattr, 0, &current, 0U);
}

// Lets about a microsecond pass without taking much, as clinux_relax does, from the processor's other hardware thread.
static inline void cmicrohttpd_relax(void) {
    for (int count = 0; count < 24; count++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb");
#endif
    }
}

static const ssize_t cmicrohttpd_end_of_stream = MHD_CONTENT_READER_END_OF_STREAM;
static const ssize_t cmicrohttpd_end_with_error = MHD_CONTENT_READER_END_WITH_ERROR;

// An answer of unknown length: chunked for HTTP/1.1, else ended by the connection's end. NULL when memory is short, and
// `release` is not called then.
static inline struct MHD_Response *cmicrohttpd_stream(
    MHD_ContentReaderCallback read, void *context, MHD_ContentReaderFreeCallback release, int omits_body) {
    // For HTTP/1.0 alone; a chunk is read into what the headers left of the connection's memory.
    const size_t block_bytes = 4096;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, block_bytes, read, context, release);
    // Without its body libmicrohttpd 0.9.75 still sends the last chunk, which a client takes for its next answer.
    if (response && omits_body)
        MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

// The connection's socket, which stays libmicrohttpd's; -1 when there is none.
static inline int cmicrohttpd_descriptor(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

// The connection's gnutls_session_t; NULL without TLS.
static inline void *cmicrohttpd_tls_session(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info ? info->tls_session : NULL;
}

// What MHD_OPTION_NOTIFY_CONNECTION's callback has attached to the connection.
static inline void *cmicrohttpd_attachment(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

// How many bytes the header section has, from the method to the empty line; 0 before it is complete.
static inline size_t cmicrohttpd_header_bytes(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info ? info->header_size : 0;
}

enum { CMICROHTTPD_ADDRESS_BYTES = INET6_ADDRSTRLEN };

// The client's IP address as text, with an IPv4 address in its own form on a socket for both; 0 when it has none.
static inline int cmicrohttpd_address(struct MHD_Connection *connection, char *text) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr)
        return 0;
    if (info->client_addr->sa_family == AF_INET) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)(const void *)info->client_addr;
        return inet_ntop(AF_INET, &address->sin_addr, text, CMICROHTTPD_ADDRESS_BYTES) != NULL;
    }
    if (info->client_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)(const void *)info->client_addr;
        if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr))
            return inet_ntop(AF_INET, &address->sin6_addr.s6_addr[12], text, CMICROHTTPD_ADDRESS_BYTES) != NULL;
        return inet_ntop(AF_INET6, &address->sin6_addr, text, CMICROHTTPD_ADDRESS_BYTES) != NULL;
    }
    return 0;
}

// struct ucred of unix(7). glibc has it under _GNU_SOURCE only, which would give other types of this module another form
// than Swift's Glibc module has them in, and neither could be used.
struct cmicrohttpd_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

// Who made the connection, of a Unix socket; 0 where that cannot be told. On TCP no system call is made.
static inline int cmicrohttpd_peer(struct MHD_Connection *connection, struct cmicrohttpd_credentials *peer) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr || info->client_addr->sa_family != AF_UNIX)
        return 0;
    socklen_t size = sizeof(*peer);
    return getsockopt(cmicrohttpd_descriptor(connection), SOL_SOCKET, SO_PEERCRED, peer, &size) == 0 &&
           size == sizeof(*peer);
}

#endif
