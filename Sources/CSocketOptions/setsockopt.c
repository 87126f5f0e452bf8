#include "CSocketOptions.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

int setsockopt(int socket, int level, int name, const void *value, socklen_t size) {
    int result = (int)syscall(SYS_setsockopt, socket, level, name, value, size);
    if (result < 0 && errno == EOPNOTSUPP && level == IPPROTO_TCP)
        errno = ENOPROTOOPT;
    return result;
}
