// Says ENOPROTOOPT where Linux says EOPNOTSUPP.
//
// libmicrohttpd 0.9.75 learns from setsockopt(2) that a socket which it was given is not TCP's: by EINVAL, ENOPROTOOPT or
// ENOTSOCK. Linux says EOPNOTSUPP when TCP's options are asked of a Unix socket (net/socket.c, do_sock_setsockopt), and
// libmicrohttpd so asks for two at each answer and words a message for each refusal, which takes longer than the rest of
// a small answer. Linked into the program this setsockopt takes the place of the C library's, for all that are in it.
#ifndef CSOCKETOPTIONS_H
#define CSOCKETOPTIONS_H

#include <sys/socket.h>

#endif
