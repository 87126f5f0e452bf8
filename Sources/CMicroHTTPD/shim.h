// libmicrohttpd for Swift: the header, and the one variadic call that Swift's importer leaves out.
#ifndef CMICROHTTPD_SHIM_H
#define CMICROHTTPD_SHIM_H

#include <microhttpd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct cmicrohttpd_options {
    int listen_socket;
    unsigned int threads; // of the pool; 0 for one thread without a pool
    unsigned int connection_limit;
    unsigned int idle_timeout_seconds;
    size_t connection_memory_bytes;
    void *context; // the first argument of every callback
    MHD_AccessHandlerCallback access;
    MHD_RequestCompletedCallback completed;
    void *(*target)(void *context, const char *target, struct MHD_Connection *connection);
    MHD_LogCallback log;
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
    // The logger first: it takes the messages that the later options cause.
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, options->access,
        options->context, MHD_OPTION_EXTERNAL_LOGGER, options->log, options->context, MHD_OPTION_LISTEN_SOCKET,
        options->listen_socket, MHD_OPTION_CONNECTION_LIMIT, options->connection_limit, MHD_OPTION_CONNECTION_TIMEOUT,
        options->idle_timeout_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_memory_bytes,
        MHD_OPTION_NOTIFY_COMPLETED, options->completed, options->context, MHD_OPTION_URI_LOG_CALLBACK, options->target,
        options->context, MHD_OPTION_UNESCAPE_CALLBACK, cmicrohttpd_leave_escaped, NULL, MHD_OPTION_ARRAY, pool,
        MHD_OPTION_END);
}

#endif
