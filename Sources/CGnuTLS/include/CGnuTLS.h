// What MicroHTTP asks of the GnuTLS inside libmicrohttpd: credentials that can be replaced while a server runs, and whether
// a client's certificate is to be believed.
//
// GnuTLS is not linked: its functions are looked up in the process, which has it because libmicrohttpd needs it. A netnsd
// that named libgnutls itself would depend on its package too, and on one version of it, where libmicrohttpd may have been
// built against another.
#ifndef CGNUTLS_H
#define CGNUTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// TLS 1.2 and 1.3 with forward secrecy and authenticated encryption, and nothing else.
extern const char *const cgnutls_priorities;

struct cgnutls_bytes {
    const void *start;
    size_t size;
};

// A certificate chain with its key, and the authorities that clients are believed by. Not changed once made, so that any
// number of sessions may use it at once, on any threads.
struct cgnutls_credentials;

enum cgnutls_part {
    CGNUTLS_LIBRARY, // GnuTLS is not in the process, or has no memory
    CGNUTLS_CERTIFICATE,
    CGNUTLS_KEY,
    CGNUTLS_PAIR, // each is good, and they do not belong together
    CGNUTLS_AUTHORITIES,
};

struct cgnutls_failure {
    enum cgnutls_part part;
    char reason[160]; // GnuTLS's words
};

// Everything in PEM; authorities of size 0 ask clients for no certificate. NULL, and why, when something is wrong.
struct cgnutls_credentials *cgnutls_make(
    struct cgnutls_bytes certificates, struct cgnutls_bytes key, struct cgnutls_bytes authorities,
    struct cgnutls_failure *failure);
void cgnutls_free(struct cgnutls_credentials *credentials);

// Until when the first certificate of the chain is valid, in seconds since 1970.
int64_t cgnutls_expiry(const struct cgnutls_credentials *credentials);

// Has a session that has not begun its handshake use these credentials instead of any others. They must outlive it.
bool cgnutls_adopt(void *session, struct cgnutls_credentials *credentials);

// A gnutls_certificate_retrieve_function3 that has no certificate: what libmicrohttpd insists on having, and what makes
// the handshake of a session fail that has adopted no credentials.
void *cgnutls_no_certificate(void);

enum cgnutls_verdict {
    CGNUTLS_NONE, // the client presented no certificate, or the credentials ask for none
    CGNUTLS_TRUSTED,
    CGNUTLS_UNKNOWN_ISSUER,
    CGNUTLS_EXPIRED,
    CGNUTLS_NOT_YET_VALID,
    CGNUTLS_WRONG_PURPOSE,
    CGNUTLS_WEAK,
    CGNUTLS_UNREADABLE,
    CGNUTLS_OTHERWISE_INVALID,
};

// Called for the subject, with an empty prefix, and for each alternative name. The bytes are lent for the call.
typedef void (*cgnutls_name_callback)(void *context, const char *prefix, const uint8_t *bytes, size_t size);

// Whether the session's client presented a certificate that the credentials' authorities vouch for now, for proving a
// client. Names are told, and `expiry` set to when the first certificate of the presented ones ends, if it is trusted.
enum cgnutls_verdict cgnutls_verify(
    void *session, const struct cgnutls_credentials *credentials, int64_t *expiry, cgnutls_name_callback name,
    void *context);

#endif
