// Says ENOPROTOOPT where Linux says EOPNOTSUPP.
//
// libmicrohttpd 0.9.75 learns from setsockopt(2) that a socket which it was given is not TCP's: by EINVAL, ENOPROTOOPT or
// ENOTSOCK. Linux says EOPNOTSUPP when TCP's options are asked of a Unix socket, and libmicrohttpd so asks for two at each
// answer and tells its logger of each refusal, strerror(3) and all, which takes a fifth of the time of a small answer.
// Linked into the program this setsockopt takes the place of the C library's, for all that are in it.
#ifndef CSOCKETOPTIONS_H
#define CSOCKETOPTIONS_H

#include <sys/socket.h>

#endif
