#include "CGnuTLS.h"

#include <dlfcn.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Weak references would do without a table, but whether an executable keeps one that no library of its own defines is up
// to the linker; dlsym(3) is not.
#define FUNCTIONS(X)                                                                                                   \
    X(gnutls_certificate_allocate_credentials)                                                                         \
    X(gnutls_certificate_free_credentials)                                                                             \
    X(gnutls_certificate_get_peers)                                                                                    \
    X(gnutls_certificate_server_set_request)                                                                           \
    X(gnutls_certificate_set_trust_list)                                                                               \
    X(gnutls_certificate_set_x509_key_mem2)                                                                            \
    X(gnutls_credentials_set)                                                                                          \
    X(gnutls_free)                                                                                                     \
    X(gnutls_handshake_set_max_packet_length)                                                                          \
    X(gnutls_privkey_deinit)                                                                                           \
    X(gnutls_privkey_import_x509_raw)                                                                                  \
    X(gnutls_privkey_init)                                                                                             \
    X(gnutls_strerror)                                                                                                 \
    X(gnutls_x509_crt_deinit)                                                                                          \
    X(gnutls_x509_crt_get_dn3)                                                                                         \
    X(gnutls_x509_crt_get_expiration_time)                                                                             \
    X(gnutls_x509_crt_get_subject_alt_name)                                                                            \
    X(gnutls_x509_crt_import)                                                                                          \
    X(gnutls_x509_crt_init)                                                                                            \
    X(gnutls_x509_crt_list_import2)                                                                                    \
    X(gnutls_x509_trust_list_add_trust_mem)                                                                            \
    X(gnutls_x509_trust_list_deinit)                                                                                   \
    X(gnutls_x509_trust_list_init)                                                                                     \
    X(gnutls_x509_trust_list_verify_crt2)

#define MEMBER(function) __typeof__(function) *function;
static struct {
    FUNCTIONS(MEMBER)
} tls;
static bool is_available;

static void find_functions(void) {
    is_available = true;
#define FIND(function)                                                                                                 \
    *(void **)&tls.function = dlsym(RTLD_DEFAULT, #function);                                                          \
    if (!tls.function)                                                                                                 \
        is_available = false;
    FUNCTIONS(FIND)
}

static bool prepare(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    return pthread_once(&once, find_functions) == 0 && is_available;
}

const char *const cgnutls_priorities =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-256-GCM:"
    "+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:%SERVER_PRECEDENCE:%PROFILE_MEDIUM";

// MARK: - Credentials

struct cgnutls_credentials {
    gnutls_certificate_credentials_t own;
    gnutls_x509_trust_list_t authorities; // owned by `own`; NULL without
    int64_t expiry;
};

static gnutls_datum_t datum(struct cgnutls_bytes bytes) {
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)bytes.start, (unsigned)bytes.size};
}

static bool failed(struct cgnutls_failure *failure, enum cgnutls_part part, const char *reason) {
    failure->part = part;
    strncpy(failure->reason, reason, sizeof(failure->reason) - 1);
    failure->reason[sizeof(failure->reason) - 1] = 0;
    return false;
}

static bool checked(int result, struct cgnutls_failure *failure, enum cgnutls_part part) {
    return result >= 0 || failed(failure, part, tls.gnutls_strerror(result));
}

static bool read_chain(gnutls_datum_t chain, int64_t *expiry, struct cgnutls_failure *failure) {
    gnutls_x509_crt_t *certificates = NULL;
    unsigned count = 0;
    int result = tls.gnutls_x509_crt_list_import2(&certificates, &count, &chain, GNUTLS_X509_FMT_PEM, 0);
    if (!checked(result, failure, CGNUTLS_CERTIFICATE))
        return false;
    if (count > 0)
        *expiry = tls.gnutls_x509_crt_get_expiration_time(certificates[0]);
    for (unsigned index = 0; index < count; index++)
        tls.gnutls_x509_crt_deinit(certificates[index]);
    (*tls.gnutls_free)(certificates);
    return count > 0 || failed(failure, CGNUTLS_CERTIFICATE, "There is no certificate in it.");
}

// Only for the sake of saying what is wrong: a bad key and one that belongs to another certificate.
static bool try_key(gnutls_datum_t key, struct cgnutls_failure *failure) {
    gnutls_privkey_t parsed;
    if (!checked(tls.gnutls_privkey_init(&parsed), failure, CGNUTLS_LIBRARY))
        return false;
    int result = tls.gnutls_privkey_import_x509_raw(parsed, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    tls.gnutls_privkey_deinit(parsed);
    return checked(result, failure, CGNUTLS_KEY);
}

static bool set_authorities(
    struct cgnutls_credentials *credentials, gnutls_datum_t authorities, struct cgnutls_failure *failure) {
    gnutls_x509_trust_list_t list;
    if (!checked(tls.gnutls_x509_trust_list_init(&list, 0), failure, CGNUTLS_LIBRARY))
        return false;
    // In TLS: clients are told the authorities' names.
    int count = tls.gnutls_x509_trust_list_add_trust_mem(
        list, &authorities, NULL, GNUTLS_X509_FMT_PEM, GNUTLS_TL_USE_IN_TLS | GNUTLS_TL_NO_DUPLICATES, 0);
    if (count <= 0) {
        tls.gnutls_x509_trust_list_deinit(list, 1);
        return count < 0 ? checked(count, failure, CGNUTLS_AUTHORITIES)
                         : failed(failure, CGNUTLS_AUTHORITIES, "There is no certificate in it.");
    }
    tls.gnutls_certificate_set_trust_list(credentials->own, list, 0);
    credentials->authorities = list;
    return true;
}

struct cgnutls_credentials *cgnutls_make(
    struct cgnutls_bytes certificates, struct cgnutls_bytes key, struct cgnutls_bytes authorities,
    struct cgnutls_failure *failure) {
    if (!prepare()) {
        failed(failure, CGNUTLS_LIBRARY, "libmicrohttpd was built without GnuTLS, or with one that is too old.");
        return NULL;
    }
    struct cgnutls_credentials *credentials = calloc(1, sizeof(*credentials));
    if (!credentials || tls.gnutls_certificate_allocate_credentials(&credentials->own) < 0) {
        failed(failure, CGNUTLS_LIBRARY, "There is not enough memory.");
        free(credentials);
        return NULL;
    }
    gnutls_datum_t chain = datum(certificates), secret = datum(key);
    if (read_chain(chain, &credentials->expiry, failure) && try_key(secret, failure) &&
        checked(
            tls.gnutls_certificate_set_x509_key_mem2(
                credentials->own, &chain, &secret, GNUTLS_X509_FMT_PEM, NULL, 0),
            failure, CGNUTLS_PAIR) &&
        (authorities.size == 0 || set_authorities(credentials, datum(authorities), failure)))
        return credentials;
    cgnutls_free(credentials);
    return NULL;
}

void cgnutls_free(struct cgnutls_credentials *credentials) {
    tls.gnutls_certificate_free_credentials(credentials->own);
    free(credentials);
}

int64_t cgnutls_expiry(const struct cgnutls_credentials *credentials) { return credentials->expiry; }

// MARK: - Sessions

bool cgnutls_adopt(void *session, struct cgnutls_credentials *credentials) {
    // GnuTLS keeps the pointer alone, and one for each kind of credentials: libmicrohttpd's own are forgotten.
    if (tls.gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials->own) < 0)
        return false;
    tls.gnutls_certificate_server_set_request(
        session, credentials->authorities ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
    // Whoever has yet to say who they are can make a session keep as much; GnuTLS would grant 128 KiB.
    tls.gnutls_handshake_set_max_packet_length(session, 32 * 1024);
    return true;
}

static gnutls_certificate_retrieve_function3 have_none;
static int have_none(
    gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **certificates,
    unsigned *certificate_count, gnutls_ocsp_data_st **ocsp, unsigned *ocsp_count, gnutls_privkey_t *key,
    unsigned *flags) {
    (void)session, (void)info, (void)certificates, (void)certificate_count, (void)ocsp, (void)ocsp_count, (void)key;
    (void)flags;
    return -1;
}

void *cgnutls_no_certificate(void) { return (void *)(uintptr_t)have_none; }

// MARK: - Clients

enum { CGNUTLS_CHAIN_LIMIT = 8, CGNUTLS_NAME_LIMIT = 64 };

static enum cgnutls_verdict verdict(unsigned status) {
    if (status == 0)
        return CGNUTLS_TRUSTED;
    if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA))
        return CGNUTLS_UNKNOWN_ISSUER;
    if (status & GNUTLS_CERT_EXPIRED)
        return CGNUTLS_EXPIRED;
    if (status & GNUTLS_CERT_NOT_ACTIVATED)
        return CGNUTLS_NOT_YET_VALID;
    if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        return CGNUTLS_WRONG_PURPOSE;
    if (status & GNUTLS_CERT_INSECURE_ALGORITHM)
        return CGNUTLS_WEAK;
    return CGNUTLS_OTHERWISE_INVALID;
}

static enum cgnutls_verdict verify(
    const struct cgnutls_credentials *credentials, gnutls_x509_crt_t *chain, unsigned count) {
    gnutls_typed_vdata_st purpose = {
        GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT, 0};
    unsigned status = 0;
    int result = tls.gnutls_x509_trust_list_verify_crt2(
        credentials->authorities, chain, count, &purpose, 1, GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM), &status,
        NULL);
    return result < 0 ? CGNUTLS_OTHERWISE_INVALID : verdict(status);
}

static const char *prefix(int kind) {
    switch (kind) {
    case GNUTLS_SAN_DNSNAME:
        return "DNS:";
    case GNUTLS_SAN_RFC822NAME:
        return "email:";
    case GNUTLS_SAN_URI:
        return "URI:";
    default:
        return NULL;
    }
}

static bool tell_names(gnutls_x509_crt_t certificate, cgnutls_name_callback name, void *context) {
    gnutls_datum_t subject = {NULL, 0};
    // Flags of 0 ask for the order and the escapes of RFC 4514. A certificate may have no subject, only other names.
    if (tls.gnutls_x509_crt_get_dn3(certificate, &subject, 0) >= 0) {
        name(context, "", subject.data, subject.size);
        (*tls.gnutls_free)(subject.data);
    }
    for (unsigned sequence = 0; sequence < CGNUTLS_NAME_LIMIT; sequence++) {
        size_t size = 0;
        int kind = tls.gnutls_x509_crt_get_subject_alt_name(certificate, sequence, NULL, &size, NULL);
        if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            return true;
        // The kind is told with the second call. An empty name, and one of a kind that GnuTLS does not know, is none.
        if (kind != GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue;
        uint8_t *bytes = malloc(size + 1);
        if (!bytes)
            return false;
        kind = tls.gnutls_x509_crt_get_subject_alt_name(certificate, sequence, bytes, &size, NULL);
        if (kind >= 0 && prefix(kind))
            name(context, prefix(kind), bytes, size);
        free(bytes);
    }
    return true;
}

enum cgnutls_verdict cgnutls_verify(
    void *session, const struct cgnutls_credentials *credentials, int64_t *expiry, cgnutls_name_callback name,
    void *context) {
    unsigned count = 0;
    const gnutls_datum_t *presented = tls.gnutls_certificate_get_peers(session, &count);
    if (!credentials->authorities || !presented || count == 0)
        return CGNUTLS_NONE;
    if (count > CGNUTLS_CHAIN_LIMIT)
        return CGNUTLS_UNREADABLE;
    gnutls_x509_crt_t chain[CGNUTLS_CHAIN_LIMIT];
    unsigned read = 0;
    enum cgnutls_verdict result = CGNUTLS_UNREADABLE;
    while (read < count && tls.gnutls_x509_crt_init(&chain[read]) >= 0) {
        const unsigned index = read++;
        if (tls.gnutls_x509_crt_import(chain[index], &presented[index], GNUTLS_X509_FMT_DER) < 0)
            goto done;
    }
    if (read < count)
        goto done;
    result = verify(credentials, chain, count);
    if (result == CGNUTLS_TRUSTED) {
        *expiry = INT64_MAX;
        for (unsigned index = 0; index < count; index++) {
            int64_t end = tls.gnutls_x509_crt_get_expiration_time(chain[index]);
            if (end < *expiry)
                *expiry = end;
        }
        if (!tell_names(chain[0], name, context))
            result = CGNUTLS_UNREADABLE;
    }
done:
    for (unsigned index = 0; index < read; index++)
        tls.gnutls_x509_crt_deinit(chain[index]);
    return result;
}
