// A server for benchmarks of uploads: it answers as the dfs API and the Blob API do, throws
// every body away as cheaply as Linux can, and keeps account of what arrived.
//
//   sink [--latency-ms L] [--conn-mbps C] [--total-mbps T] [--then-mbps T2 --then-after S]
//        [--fail-rate P] [--fail-modes 500,503,reset] [--seed N] [--tls CERT KEY]
//
// The line that it plays: every answer comes L milliseconds after the last byte of its request;
// a connection carries at most C and all of them together T megabytes (10^6 bytes) a second;
// S seconds after the first request T becomes T2.  P of all requests fail: 500 comes after the
// work was done, 503 before it, reset cuts the connection in the middle of the body.
//
// It listens on a free port of 127.0.0.1 and prints the port's number.  Account and filesystem
// are the first two segments of a path and always exist.  Signatures are not verified.
//
//   GET  /__stats                       counters as JSON
//   POST /__reset[?fail_rate=P&seed=N]  forgets files and counters, and starts the clock anew
//
// One blocking thread a connection keeps latency and pace exact.  Linux only (MSG_TRUNC).
//
// Build: cc -O2 -o sink sink.c -lpthread -lssl -lcrypto
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef uint64_t u64;

#define SECOND 1000000000ull            // in nanoseconds, as all times here
#define HEADER_ROOM (64 * 1024)         // bytes; the longest request head that is accepted
#define PACED_READ (128 * 1024)         // bytes; the grain of the pacing
#define MOST_SECONDS 4096               // length of the history of appends in flight

static struct {
    double latency_ms, conn_mbps, total_mbps, then_mbps, then_after, fail_rate;
    bool fail_500, fail_503, fail_reset;
    u64 seed;
    SSL_CTX *tls;
} opt = {.fail_500 = true, .fail_503 = true, .fail_reset = true, .seed = 1};

// ------------------------------------------------------------------------------- counters

enum kind {
    CREATE_FILE, CREATE_DIRECTORY, CREATE_FILESYSTEM, RENAME, APPEND, APPEND_FLUSH, FLUSH,
    SET_PROPERTIES, PUT_BLOB, PUT_BLOCK, PUT_BLOCK_LIST, HEAD, LIST, DELETE, OTHER, KINDS
};
static const char *const kind_names[KINDS] = {
    "create_file", "create_directory", "create_filesystem", "rename", "append", "append_flush",
    "flush", "set_properties", "put_blob", "put_block", "put_block_list", "head", "list",
    "delete", "other",
};
static struct {
    u64 kinds[KINDS], statuses[600], body_bytes, connections, requests, unsigned_requests;
    u64 failed_500, failed_503, failed_reset, broken_requests, first_request, last_answer;
} count;

#define ADD(counter, n) __atomic_add_fetch(&(counter), (n), __ATOMIC_RELAXED)
#define GET(counter) __atomic_load_n(&(counter), __ATOMIC_RELAXED)
#define SET(counter, n) __atomic_store_n(&(counter), (n), __ATOMIC_RELAXED)

static u64 now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * SECOND + (u64)t.tv_nsec;
}

// How many requests that carry data are open, second by second: shows what a client's
// choice of concurrency does over time.
static struct {
    pthread_mutex_t lock;
    unsigned now, most;
    u64 start, last;
    struct { unsigned most; u64 area; } seconds[MOST_SECONDS];   // area: appends × nanoseconds
} flight = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void flight_advance(u64 to) {
    while (flight.last < to) {
        u64 index = (flight.last - flight.start) / SECOND;
        u64 end = flight.start + (index + 1) * SECOND;
        if (end > to) end = to;
        if (index < MOST_SECONDS) {
            flight.seconds[index].area += flight.now * (end - flight.last);
            if (flight.now > flight.seconds[index].most) flight.seconds[index].most = flight.now;
        }
        flight.last = end;
    }
}
static void flight_change(int by) {
    pthread_mutex_lock(&flight.lock);
    u64 now = now_ns();
    if (!flight.start) flight.start = flight.last = now;
    flight_advance(now);
    flight.now += (unsigned)by;
    if (flight.now > flight.most) flight.most = flight.now;
    pthread_mutex_unlock(&flight.lock);
}

// ------------------------------------------------------------------------------- the line

static void sleep_until(u64 ns) {
    struct timespec t = {(time_t)(ns / SECOND), (long)(ns % SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}
static bool is_paced(void) { return opt.conn_mbps > 0 || opt.total_mbps > 0; }

static double total_mbps(u64 now) {
    u64 start = GET(count.first_request);
    bool later = opt.then_after > 0 && start && now - start >= (u64)(opt.then_after * 1e9);
    return later ? opt.then_mbps : opt.total_mbps;
}
// Book `bytes` on a line that is busy until *busy; the answer is when they are through.
// At most 2 ms of idle time are credited, else a pause would be followed by a burst.
static u64 book(u64 *busy, u64 now, u64 bytes, double mbps) {
    if (*busy + 2000000 < now) *busy = now;
    *busy += (u64)((double)bytes * 1000.0 / mbps);
    return *busy;
}
static void pace(u64 *connection_busy, u64 bytes) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static u64 line_busy;
    u64 now = now_ns(), until = now;
    if (opt.conn_mbps > 0) until = book(connection_busy, now, bytes, opt.conn_mbps);
    if (opt.total_mbps > 0) {
        pthread_mutex_lock(&lock);
        u64 through = book(&line_busy, now, bytes, total_mbps(now));
        pthread_mutex_unlock(&lock);
        if (through > until) until = through;
    }
    if (until > now) sleep_until(until);
}

// ------------------------------------------------------------------------------- files

struct range { u64 start, end; };
struct block { char *id; u64 length; };
struct file {
    struct file *next;
    char *path;
    bool exists, is_directory;           // false, false: only blocks are waiting
    u64 length, etag;                    // length: what is committed
    time_t modified;
    struct range *ranges;                // appended and not committed; sorted, disjoint
    int range_count, range_room;
    struct block *blocks;
    int block_count, block_room;
};
#define BUCKETS 65536
static struct file *table[BUCKETS];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;   // held by all operations

static struct file *find_file(const char *path, bool make) {
    u64 hash = 14695981039346656037ull;
    for (const char *p = path; *p; p++) hash = (hash ^ (unsigned char)*p) * 1099511628211ull;
    struct file **bucket = &table[(hash ^ (hash >> 32)) % BUCKETS];
    for (struct file *f = *bucket; f; f = f->next) if (!strcmp(f->path, path)) return f;
    if (!make) return NULL;
    struct file *f = calloc(1, sizeof *f);
    f->path = strdup(path);
    f->next = *bucket;
    return *bucket = f;
}
static struct file *existing(const char *path) {
    struct file *f = find_file(path, false);
    return f && f->exists ? f : NULL;
}
static void clear_file(struct file *f) {
    for (int i = 0; i < f->block_count; i++) free(f->blocks[i].id);
    f->block_count = f->range_count = 0;
    f->length = 0;
    f->exists = f->is_directory = false;
}
static void touch(struct file *f) {
    static u64 last = 0x8DC000000000000ull;
    f->etag = ++last;
    f->modified = time(NULL);
}
static void forget_files(void) {
    for (int i = 0; i < BUCKETS; i++) {
        for (struct file *f = table[i], *next; f; f = next) {
            next = f->next;
            clear_file(f);
            free(f->ranges);
            free(f->blocks);
            free(f->path);
            free(f);
        }
        table[i] = NULL;
    }
}
static void add_range(struct file *f, u64 start, u64 end) {
    int first = 0;
    while (first < f->range_count && f->ranges[first].end < start) first++;
    int after = first;
    for (; after < f->range_count && f->ranges[after].start <= end; after++) {
        if (f->ranges[after].start < start) start = f->ranges[after].start;
        if (f->ranges[after].end > end) end = f->ranges[after].end;
    }
    if (f->range_count == f->range_room) {
        f->range_room = f->range_room ? 2 * f->range_room : 8;
        f->ranges = realloc(f->ranges, sizeof *f->ranges * (size_t)f->range_room);
    }
    memmove(f->ranges + first + 1, f->ranges + after,
            sizeof *f->ranges * (size_t)(f->range_count - after));
    f->range_count += first + 1 - after;
    f->ranges[first] = (struct range){start, end};
}
static u64 end_without_hole(const struct file *f) {
    u64 end = f->length;
    for (int i = 0; i < f->range_count && f->ranges[i].start <= end; i++)
        if (f->ranges[i].end > end) end = f->ranges[i].end;
    return end;
}
static struct block *find_block(struct file *f, const char *id) {
    for (int i = 0; i < f->block_count; i++)
        if (!strcmp(f->blocks[i].id, id)) return &f->blocks[i];
    return NULL;
}
static void put_block(struct file *f, const char *id, u64 length) {
    struct block *known = find_block(f, id);
    if (known) {
        known->length = length;
        return;
    }
    if (f->block_count == f->block_room) {
        f->block_room = f->block_room ? 2 * f->block_room : 16;
        f->blocks = realloc(f->blocks, sizeof *f->blocks * (size_t)f->block_room);
    }
    f->blocks[f->block_count++] = (struct block){strdup(id), length};
}

// ------------------------------------------------------------------------------- connections

struct connection {
    int fd;
    SSL *tls;
    u64 busy;                            // for pace()
    size_t next, filled;                 // of buffer
    char *scratch;                       // where TLS puts bytes that nobody wants
    char buffer[HEADER_ROOM];
};
static ssize_t receive(struct connection *c, void *to, size_t n) {
    if (c->tls) return SSL_read(c->tls, to, (int)n);
    ssize_t r;
    do r = recv(c->fd, to, n, 0); while (r < 0 && errno == EINTR);
    return r;
}
static bool transmit(struct connection *c, const char *from, size_t n) {
    while (n) {
        ssize_t r = c->tls ? SSL_write(c->tls, from, (int)n) : send(c->fd, from, n, MSG_NOSIGNAL);
        if (r < 0 && !c->tls && errno == EINTR) continue;
        if (r <= 0) return false;
        from += r;
        n -= (size_t)r;
    }
    return true;
}
// Let the kernel drop up to n bytes: MSG_TRUNC on TCP copies nothing.
static ssize_t discard(struct connection *c, size_t n) {
    if (c->tls) {
        const size_t room = 256 * 1024;
        if (!c->scratch) c->scratch = malloc(room);
        return receive(c, c->scratch, n < room ? n : room);
    }
    ssize_t r;
    do r = recv(c->fd, NULL, n, MSG_TRUNC); while (r < 0 && errno == EINTR);
    return r;
}
static void arrived(struct connection *c, u64 n) {
    ADD(count.body_bytes, n);
    if (is_paced()) pace(&c->busy, n);
}
// Take exactly n bytes of a body; keep = NULL throws them away.
static bool take(struct connection *c, u64 n, char *keep) {
    size_t buffered = c->filled - c->next;
    if (buffered > n) buffered = n;
    if (buffered) {
        if (keep) memcpy(keep, c->buffer + c->next, buffered);
        c->next += buffered;
        arrived(c, buffered);
    }
    for (u64 done = buffered; done < n;) {
        size_t want = is_paced() ? PACED_READ : 8 << 20;
        if (want > n - done) want = n - done;
        ssize_t r = keep ? receive(c, keep + done, want) : discard(c, want);
        if (r <= 0) return false;
        done += (u64)r;
        arrived(c, (u64)r);
    }
    return true;
}
static int next_byte(struct connection *c) {
    if (c->next == c->filled) {
        ssize_t r = receive(c, c->buffer, sizeof c->buffer);
        if (r <= 0) return -1;
        c->next = 0;
        c->filled = (size_t)r;
    }
    return (unsigned char)c->buffer[c->next++];
}

// ------------------------------------------------------------------------------- requests

struct request {
    enum kind kind;
    char method[12], path[4096], query[8192];
    u64 length;
    bool is_chunked, wants_100, wants_close, is_signed, if_none_match;
    char if_match[64], rename_source[4096], blob_type[32], version[32], client_id[80];
};

static void copy_text(char *to, size_t room, const char *from, size_t n) {
    if (n >= room) n = room - 1;
    memcpy(to, from, n);
    to[n] = 0;
}
static int hex(char c) {
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}
static void decode(char *to, size_t room, const char *from, size_t n) {
    size_t out = 0;
    for (size_t i = 0; i < n && out + 1 < room; i++) {
        bool escaped = from[i] == '%' && i + 2 < n && hex(from[i + 1]) >= 0 && hex(from[i + 2]) >= 0;
        to[out++] = escaped ? (char)(hex(from[i + 1]) * 16 + hex(from[i + 2])) : from[i];
        if (escaped) i += 2;
    }
    to[out] = 0;
}
static void decode_path(char *to, size_t room, const char *from, size_t n) {
    decode(to, room, from, n);
    size_t length = strlen(to);
    while (length > 1 && to[length - 1] == '/') to[--length] = 0;
}
// The value of a query parameter, decoded; "" and false when it is not there.
static bool parameter(const struct request *q, const char *name, char *to, size_t room) {
    to[0] = 0;
    for (const char *p = q->query; *p;) {
        const char *end = strchrnul(p, '&'), *equals = memchr(p, '=', (size_t)(end - p));
        size_t n = (size_t)((equals ? equals : end) - p);
        if (n == strlen(name) && !strncasecmp(p, name, n)) {
            if (equals) decode(to, room, equals + 1, (size_t)(end - equals - 1));
            return true;
        }
        p = *end ? end + 1 : end;
    }
    return false;
}
static bool parameter_is(const struct request *q, const char *name, const char *value) {
    char text[256];
    return parameter(q, name, text, sizeof text) && !strcasecmp(text, value);
}
static void read_header(struct request *q, const char *name, const char *v, size_t n) {
#define KEEP(field) copy_text(q->field, sizeof q->field, v, n)
    if (!strcasecmp(name, "content-length")) q->length = strtoull(v, NULL, 10);
    else if (!strcasecmp(name, "transfer-encoding")) q->is_chunked = true;
    else if (!strcasecmp(name, "expect")) q->wants_100 = true;
    else if (!strcasecmp(name, "connection")) q->wants_close = n == 5 && !strncasecmp(v, "close", 5);
    else if (!strcasecmp(name, "authorization")) q->is_signed = true;
    else if (!strcasecmp(name, "if-none-match")) q->if_none_match = memchr(v, '*', n) != NULL;
    else if (!strcasecmp(name, "if-match")) KEEP(if_match);
    else if (!strcasecmp(name, "x-ms-blob-type")) KEEP(blob_type);
    else if (!strcasecmp(name, "x-ms-version")) KEEP(version);
    else if (!strcasecmp(name, "x-ms-client-request-id")) KEEP(client_id);
    else if (!strcasecmp(name, "x-ms-rename-source")) {
        const char *query = memchr(v, '?', n);
        decode_path(q->rename_source, sizeof q->rename_source, v, query ? (size_t)(query - v) : n);
    }
#undef KEEP
}
static void read_header_line(struct request *q, const char *line, size_t n) {
    char name[64];
    const char *colon = memchr(line, ':', n);
    if (!colon) return;
    copy_text(name, sizeof name, line, (size_t)(colon - line));
    const char *v = colon + 1, *end = line + n;
    while (v < end && (*v == ' ' || *v == '\t')) v++;
    read_header(q, name, v, (size_t)(end - v));
}
static bool read_request_line(struct request *q, const char *line, size_t n) {
    const char *target = memchr(line, ' ', n);
    if (!target) return false;
    copy_text(q->method, sizeof q->method, line, (size_t)(target - line));
    target++;
    const char *end = memchr(target, ' ', (size_t)(line + n - target));
    if (!end) return false;
    const char *query = memchr(target, '?', (size_t)(end - target));
    decode_path(q->path, sizeof q->path, target, (size_t)((query ? query : end) - target));
    if (query) copy_text(q->query, sizeof q->query, query + 1, (size_t)(end - query - 1));
    q->wants_close = !strncmp(end + 1, "HTTP/1.0", 8);
    return true;
}
// Read one request's head: 1 done, 0 the client closed the connection, -1 broken.
static int read_head(struct connection *c, struct request *q) {
    memmove(c->buffer, c->buffer + c->next, c->filled - c->next);
    c->filled -= c->next;
    c->next = 0;
    char *end;
    while (!(end = memmem(c->buffer, c->filled, "\r\n\r\n", 4))) {
        // Small reads, so that little of the body is copied along with the head.
        size_t room = sizeof c->buffer - c->filled;
        ssize_t r = room ? receive(c, c->buffer + c->filled, room < 4096 ? room : 4096) : -1;
        if (r <= 0) return c->filled ? -1 : 0;
        c->filled += (size_t)r;
    }
    memset(q, 0, sizeof *q);
    c->next = (size_t)(end + 4 - c->buffer);
    char *line = c->buffer, *eol = memmem(line, c->next, "\r\n", 2);
    if (!read_request_line(q, line, (size_t)(eol - line))) return -1;
    while (eol < end) {
        line = eol + 2;
        eol = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        read_header_line(q, line, (size_t)(eol - line));
    }
    return 1;
}
static u64 chunk_size(struct connection *c) {
    char line[64];
    size_t n = 0;
    for (int byte; (byte = next_byte(c)) != '\n';) {
        if (byte < 0) return UINT64_MAX;
        if (n + 1 < sizeof line) line[n++] = (char)byte;
    }
    line[n] = 0;
    return strtoull(line, NULL, 16);
}
static bool take_chunked(struct connection *c, u64 *length) {
    for (u64 size; (size = chunk_size(c));) {
        if (size == UINT64_MAX || !take(c, size, NULL)) return false;
        *length += size;
        if (next_byte(c) < 0 || next_byte(c) < 0) return false;
    }
    return next_byte(c) >= 0 && next_byte(c) >= 0;      // no trailers: nobody sends any
}
// Read the body. Only a block list is looked at; it is kept, ended by a zero, in *text.
static bool read_body(struct connection *c, const struct request *q, u64 *length, char **text) {
    *length = q->is_chunked ? 0 : q->length;
    if (q->is_chunked) return take_chunked(c, length);
    if (q->kind == PUT_BLOCK_LIST) *text = calloc(1, q->length + 1);
    return take(c, q->length, *text);
}

static enum kind kind_of_put(const struct request *q) {
    char ignored[256];
    if (parameter_is(q, "resource", "filesystem")) return CREATE_FILESYSTEM;
    if (parameter_is(q, "restype", "container")) return CREATE_FILESYSTEM;
    if (q->rename_source[0]) return RENAME;
    if (parameter_is(q, "resource", "file")) return CREATE_FILE;
    if (parameter_is(q, "resource", "directory")) return CREATE_DIRECTORY;
    if (parameter_is(q, "comp", "block")) return PUT_BLOCK;
    if (parameter_is(q, "comp", "blocklist")) return PUT_BLOCK_LIST;
    if (parameter(q, "comp", ignored, sizeof ignored)) return SET_PROPERTIES;
    return q->blob_type[0] ? PUT_BLOB : OTHER;
}
static enum kind kind_of_patch(const struct request *q) {
    if (parameter_is(q, "action", "append"))
        return parameter_is(q, "flush", "true") ? APPEND_FLUSH : APPEND;
    return parameter_is(q, "action", "flush") ? FLUSH : SET_PROPERTIES;
}
static enum kind kind_of(const struct request *q) {
    if (!strcmp(q->method, "PUT")) return kind_of_put(q);
    if (!strcmp(q->method, "PATCH")) return kind_of_patch(q);
    if (!strcmp(q->method, "HEAD")) return HEAD;
    if (!strcmp(q->method, "DELETE")) return DELETE;
    if (strcmp(q->method, "GET")) return OTHER;
    if (parameter_is(q, "comp", "list") || parameter_is(q, "resource", "filesystem")) return LIST;
    // The Blob API reads the properties of an account or a container by GET as well.
    return parameter_is(q, "restype", "container") || parameter_is(q, "comp", "properties") ? HEAD : OTHER;
}
static bool carries_data(enum kind kind) {
    return kind == APPEND || kind == APPEND_FLUSH || kind == PUT_BLOB || kind == PUT_BLOCK;
}
static bool is_blob_api(const struct request *q) {
    char ignored[256];
    return q->blob_type[0] || parameter(q, "comp", ignored, sizeof ignored)
        || parameter(q, "restype", ignored, sizeof ignored);
}

// ------------------------------------------------------------------------------- answers

struct text { char *p; size_t n, room; };
static void put_bytes(struct text *t, const char *from, size_t n) {
    if (!n) return;
    if (t->n + n + 1 > t->room) {
        t->room = 2 * t->room + n + 4096;
        t->p = realloc(t->p, t->room);
    }
    memcpy(t->p + t->n, from, n);
    t->n += n;
    t->p[t->n] = 0;
}
static void put(struct text *t, const char *format, ...) {
    char piece[8192];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= sizeof piece) abort();
    put_bytes(t, piece, (size_t)n);
}
static void put_json_text(struct text *t, const char *s) {
    put(t, "\"");
    for (; *s; s++) put(t, *s == '"' || *s == '\\' ? "\\%c" : (unsigned char)*s < 32 ? "?" : "%c", *s);
    put(t, "\"");
}
static void put_date(struct text *t, const char *name, time_t when) {
    char date[64];
    struct tm utc;
    gmtime_r(&when, &utc);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    put(t, "%s: %s\r\n", name, date);
}

struct answer {
    int status;
    const char *error, *type;            // error: the service's error code
    u64 etag;                            // 0: neither ETag nor Last-Modified
    time_t modified;
    u64 head_length;                     // Content-Length of an answer to HEAD
    struct text headers, body;
};
static void fail(struct answer *a, int status, const char *error) {
    a->status = status;
    a->error = error;
}
static void succeed(struct answer *a, int status, const struct file *f) {
    a->status = status;
    a->etag = f->etag;
    a->modified = f->modified;
}
static void put_error_body(struct answer *a, const struct request *q) {
    bool blob = is_blob_api(q);
    a->type = blob ? "application/xml" : "application/json;charset=utf-8";
    put(&a->body, blob ? "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code>"
                         "<Message>%s</Message></Error>"
                       : "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", a->error, a->error);
}
static const char *reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 404: return "The specified path does not exist.";
    case 409: return "Conflict";
    case 412: return "The condition specified is not met.";
    case 500: return "Internal Server Error";
    case 503: return "Server Busy";
    default: return "Bad Request";
    }
}
static bool respond(struct connection *c, const struct request *q, struct answer *a) {
    bool head = !strcmp(q->method, "HEAD");
    if (a->error && !head) put_error_body(a, q);
    struct text t = {0};
    put(&t, "HTTP/1.1 %d %s\r\nContent-Length: %llu\r\nServer: sink\r\n", a->status, reason(a->status),
        (unsigned long long)(head ? a->head_length : a->body.n));
    put_date(&t, "Date", time(NULL));
    put(&t, "x-ms-request-id: 00000000-0000-0000-0000-%012llx\r\nx-ms-version: %s\r\n",
        (unsigned long long)GET(count.requests), q->version[0] ? q->version : "2023-11-03");
    if (a->type) put(&t, "Content-Type: %s\r\n", a->type);
    if (q->client_id[0]) put(&t, "x-ms-client-request-id: %s\r\n", q->client_id);
    if (a->error) put(&t, "x-ms-error-code: %s\r\n", a->error);
    if (a->etag) {
        put(&t, "ETag: \"0x%llX\"\r\n", (unsigned long long)a->etag);
        put_date(&t, "Last-Modified", a->modified);
    }
    if (a->status < 300) put(&t, "x-ms-request-server-encrypted: true\r\n");
    put(&t, "%s%s\r\n", a->headers.n ? a->headers.p : "", q->wants_close ? "Connection: close\r\n" : "");
    if (!head) put_bytes(&t, a->body.p, a->body.n);
    bool ok = transmit(c, t.p, t.n);
    free(t.p);
    return ok;
}

// ------------------------------------------------------------------------------- operations
// Each with table_lock held. Which failures there are follows the service where an uploader
// could meet them; what no uploader asks for is left out.

static bool refused(const struct request *q, const struct file *f, struct answer *a) {
    char etag[32];
    if (q->if_none_match && f && f->exists) {
        fail(a, 409, q->kind == PUT_BLOB || q->kind == PUT_BLOCK_LIST ? "BlobAlreadyExists"
                                                                      : "PathAlreadyExists");
        return true;
    }
    if (!q->if_match[0] || !strcmp(q->if_match, "*")) return false;
    snprintf(etag, sizeof etag, "\"0x%llX\"", (unsigned long long)(f ? f->etag : 0));
    if (f && f->exists && !strcmp(etag, q->if_match)) return false;
    fail(a, 412, "ConditionNotMet");
    return true;
}
static void do_create(const struct request *q, struct answer *a) {
    struct file *f = find_file(q->path, true);
    if (refused(q, f, a)) return;
    clear_file(f);
    f->exists = true;
    f->is_directory = q->kind == CREATE_DIRECTORY;
    touch(f);
    succeed(a, 201, f);
}
// The header names "/filesystem/path"; the account is the first segment of the request's path.
static struct file *rename_source(const struct request *q) {
    char path[sizeof q->path + sizeof q->rename_source];
    const char *end = strchr(q->path + 1, '/');
    int account = end ? (int)(end - q->path) : (int)strlen(q->path);
    snprintf(path, sizeof path, "%.*s%s", account, q->path, q->rename_source);
    return existing(path);
}
static void do_rename(const struct request *q, struct answer *a) {
    struct file *source = rename_source(q);
    if (!source) {
        fail(a, 404, "SourcePathNotFound");
        return;
    }
    struct file *f = find_file(q->path, true);
    if (refused(q, f, a)) return;
    clear_file(f);
    f->exists = true;
    f->is_directory = source->is_directory;
    f->length = source->length;
    f->etag = source->etag;              // with a hierarchical namespace a rename keeps both
    f->modified = source->modified;
    clear_file(source);
    succeed(a, 201, f);
}
static void do_append(const struct request *q, u64 length, struct answer *a) {
    char text[32];
    struct file *f = existing(q->path);
    if (!f) fail(a, 404, "PathNotFound");
    else if (!parameter(q, "position", text, sizeof text)) fail(a, 400, "MissingRequiredQueryParameter");
    else if (!length) fail(a, 400, "InvalidHeaderValue");
    if (a->error) return;
    u64 position = strtoull(text, NULL, 10);
    add_range(f, position, position + length);
    a->status = 202;
    if (q->kind == APPEND) return;
    if (end_without_hole(f) < position + length) {
        fail(a, 400, "InvalidFlushPosition");
        return;
    }
    f->length = position + length;
    f->range_count = 0;
    touch(f);
    succeed(a, 202, f);
}
static void do_flush(const struct request *q, struct answer *a) {
    char text[32];
    struct file *f = existing(q->path);
    if (!f) {
        fail(a, 404, "PathNotFound");
        return;
    }
    if (refused(q, f, a)) return;
    parameter(q, "position", text, sizeof text);
    u64 position = strtoull(text, NULL, 10);
    if (position < f->length || end_without_hole(f) < position) {
        fail(a, 400, "InvalidFlushPosition");
        return;
    }
    if (!parameter_is(q, "retainUncommittedData", "true")) f->range_count = 0;
    f->length = position;
    touch(f);
    succeed(a, 200, f);
}
static void do_put_blob(const struct request *q, u64 length, struct answer *a) {
    struct file *f = find_file(q->path, true);
    if (refused(q, f, a)) return;
    clear_file(f);
    f->exists = true;
    f->length = length;
    touch(f);
    succeed(a, 201, f);
}
static void do_put_block(const struct request *q, u64 length, struct answer *a) {
    char id[256];
    if (!parameter(q, "blockid", id, sizeof id)) fail(a, 400, "MissingRequiredQueryParameter");
    else {
        put_block(find_file(q->path, true), id, length);
        a->status = 201;
    }
}
// The committed length, or UINT64_MAX when the list names a block that is not there.
static u64 length_of_list(struct file *f, const char *xml) {
    static const char *const tags[] = {"<Latest>", "<Uncommitted>", "<Committed>"};
    u64 total = 0;
    for (const char *p = xml; p && (p = strchr(p, '<')); p++) {
        for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
            if (strncmp(p, tags[i], strlen(tags[i]))) continue;
            char id[256];
            const char *start = p + strlen(tags[i]), *end = strchrnul(start, '<');
            copy_text(id, sizeof id, start, (size_t)(end - start));
            struct block *block = find_block(f, id);
            if (!block) return UINT64_MAX;
            total += block->length;
        }
    }
    return total;
}
static void do_put_block_list(const struct request *q, const char *xml, struct answer *a) {
    struct file *f = find_file(q->path, true);
    if (refused(q, f, a)) return;
    u64 length = length_of_list(f, xml);
    if (length == UINT64_MAX) {
        fail(a, 400, "InvalidBlockList");
        return;
    }
    f->exists = true;
    f->is_directory = false;
    f->length = length;
    touch(f);
    succeed(a, 201, f);
}
static bool is_root(const char *path) {          // "/account" or "/account/filesystem"
    int slashes = 0;
    for (; *path; path++) slashes += *path == '/';
    return slashes <= 2;
}
static void do_head(const struct request *q, struct answer *a) {
    struct file *f = existing(q->path);
    if (!f && !is_root(q->path)) {
        fail(a, 404, is_blob_api(q) ? "BlobNotFound" : "PathNotFound");
        return;
    }
    a->status = 200;
    a->etag = f ? f->etag : 1;
    a->modified = f ? f->modified : time(NULL);
    a->head_length = f ? f->length : 0;
    a->type = "application/octet-stream";
    put(&a->headers, "x-ms-resource-type: %s\r\nx-ms-blob-type: BlockBlob\r\nx-ms-lease-status: unlocked\r\n"
                     "x-ms-lease-state: available\r\nx-ms-server-encrypted: true\r\nAccept-Ranges: bytes\r\n"
                     "x-ms-namespace-enabled: true\r\nx-ms-is-hns-enabled: true\r\nx-ms-owner: $superuser\r\n"
                     "x-ms-group: $superuser\r\nx-ms-permissions: rw-r-----\r\n"
                     "x-ms-acl: user::rw-,group::r--,other::---\r\nx-ms-has-immutability-policy: false\r\n"
                     "x-ms-has-legal-hold: false\r\nx-ms-sku-name: Standard_LRS\r\nx-ms-account-kind: StorageV2\r\n",
        f && !f->is_directory ? "file" : "directory");
    put_date(&a->headers, "x-ms-creation-time", a->modified);
}
// Everything below a directory at once, without the directories between.
static void list_paths(const struct request *q, struct answer *a) {
    char directory[4096], prefix[8300];
    parameter(q, "directory", directory, sizeof directory);
    snprintf(prefix, sizeof prefix, "%s%s%s/", q->path, directory[0] ? "/" : "", directory);
    bool recursive = parameter_is(q, "recursive", "true"), any = false;
    put(&a->body, "{\"paths\":[");
    for (int i = 0; i < BUCKETS; i++) for (struct file *f = table[i]; f; f = f->next) {
        const char *rest = f->path + strlen(prefix);
        if (!f->exists || strncmp(f->path, prefix, strlen(prefix)) || (!recursive && strchr(rest, '/'))) continue;
        put(&a->body, any ? ",{\"name\":" : "{\"name\":");
        put_json_text(&a->body, f->path + strlen(q->path) + 1);
        put(&a->body, ",\"contentLength\":\"%llu\",\"etag\":\"0x%llX\",\"lastModified\":\"",
            (unsigned long long)f->length, (unsigned long long)f->etag);
        struct tm utc;
        char date[64];
        gmtime_r(&f->modified, &utc);
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
        put(&a->body, "%s\"%s}", date, f->is_directory ? ",\"isDirectory\":\"true\"" : "");
        any = true;
    }
    put(&a->body, "]}\n");
    if (directory[0] && !any && !existing((prefix[strlen(prefix) - 1] = 0, prefix))) {
        a->body.n = 0;
        fail(a, 404, "PathNotFound");
    }
}
static void do_list(const struct request *q, struct answer *a) {
    a->status = 200;
    if (is_blob_api(q)) {
        // Peers of the Blob API only ask whether something is there: nothing is.
        a->type = "application/xml";
        put(&a->body, "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"http://"
                      "127.0.0.1/\" ContainerName=\"fs\"><Blobs></Blobs><NextMarker /></EnumerationResults>");
    } else {
        a->type = "application/json;charset=utf-8";
        list_paths(q, a);
    }
}
static void do_delete(const struct request *q, struct answer *a) {
    struct file *f = existing(q->path);
    if (!f) fail(a, 404, "PathNotFound");
    else if (!refused(q, f, a)) {
        clear_file(f);
        a->status = 200;
    }
}
static void perform(const struct request *q, u64 length, const char *text, struct answer *a) {
    pthread_mutex_lock(&table_lock);
    switch (q->kind) {
    case CREATE_FILE: case CREATE_DIRECTORY: do_create(q, a); break;
    case CREATE_FILESYSTEM: a->status = 201; break;
    case RENAME: do_rename(q, a); break;
    case APPEND: case APPEND_FLUSH: do_append(q, length, a); break;
    case FLUSH: do_flush(q, a); break;
    case SET_PROPERTIES: a->status = 200; break;
    case PUT_BLOB: do_put_blob(q, length, a); break;
    case PUT_BLOCK: do_put_block(q, length, a); break;
    case PUT_BLOCK_LIST: do_put_block_list(q, text, a); break;
    case HEAD: do_head(q, a); break;
    case LIST: do_list(q, a); break;
    case DELETE: do_delete(q, a); break;
    default: fail(a, 400, "UnsupportedRequest");
    }
    pthread_mutex_unlock(&table_lock);
}

// ------------------------------------------------------------------------------- control

static void put_files(struct text *t) {
    u64 files = 0, bytes = 0, longest = 0, shortest = UINT64_MAX;
    pthread_mutex_lock(&table_lock);
    for (int i = 0; i < BUCKETS; i++) for (struct file *f = table[i]; f; f = f->next) {
        if (!f->exists || f->is_directory) continue;
        files++;
        bytes += f->length;
        if (f->length > longest) longest = f->length;
        if (f->length < shortest) shortest = f->length;
    }
    pthread_mutex_unlock(&table_lock);
    put(t, "\"files\":%llu,\"committed_bytes\":%llu,\"shortest\":%llu,\"longest\":%llu,", (unsigned long long)files,
        (unsigned long long)bytes, (unsigned long long)(files ? shortest : 0), (unsigned long long)longest);
}
static void put_flight(struct text *t) {
    pthread_mutex_lock(&flight.lock);
    u64 span = flight.last - flight.start, seconds = flight.start ? (span + SECOND - 1) / SECOND : 0;
    if (seconds > MOST_SECONDS) seconds = MOST_SECONDS;
    put(t, "\"appends_in_flight\":{\"most\":%u,\"most_by_second\":[", flight.most);
    for (u64 i = 0; i < seconds; i++) put(t, "%s%u", i ? "," : "", flight.seconds[i].most);
    put(t, "],\"mean_by_second\":[");
    for (u64 i = 0; i < seconds; i++) {
        u64 length = i + 1 < seconds ? SECOND : span - i * SECOND;
        put(t, "%s%.3f", i ? "," : "", (double)flight.seconds[i].area / (double)length);
    }
    put(t, "]},");
    pthread_mutex_unlock(&flight.lock);
}
static void put_tally(struct text *t, const char *name, u64 value, bool *first) {
    if (!value) return;
    put(t, "%s\"%s\":%llu", *first ? "" : ",", name, (unsigned long long)value);
    *first = false;
}
static void put_stats(struct text *t) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
               + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    bool first = true;
    put(t, "{\"kinds\":{");
    for (int i = 0; i < KINDS; i++) put_tally(t, kind_names[i], count.kinds[i], &first);
    put(t, "},\"statuses\":{");
    first = true;
    for (int i = 0; i < 600; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        put_tally(t, name, count.statuses[i], &first);
    }
    put(t, "},\"faults\":{\"500\":%llu,\"503\":%llu,\"reset\":%llu},", (unsigned long long)count.failed_500,
        (unsigned long long)count.failed_503, (unsigned long long)count.failed_reset);
    put_files(t);
    put_flight(t);
    put(t, "\"requests\":%llu,\"body_bytes\":%llu,\"connections\":%llu,\"unsigned_requests\":%llu,"
           "\"broken_requests\":%llu,\"active_seconds\":%.6f,\"sink_cpu_seconds\":%.4f}",
        (unsigned long long)count.requests, (unsigned long long)count.body_bytes,
        (unsigned long long)count.connections, (unsigned long long)count.unsigned_requests,
        (unsigned long long)count.broken_requests,
        (double)(count.last_answer > count.first_request ? count.last_answer - count.first_request : 0) / 1e9, cpu);
}
static void reset(const struct request *q) {
    char text[64];
    if (parameter(q, "fail_rate", text, sizeof text)) opt.fail_rate = strtod(text, NULL);
    if (parameter(q, "seed", text, sizeof text)) opt.seed = strtoull(text, NULL, 10);
    pthread_mutex_lock(&table_lock);
    forget_files();
    pthread_mutex_unlock(&table_lock);
    memset(&count, 0, sizeof count);
    pthread_mutex_lock(&flight.lock);
    memset(flight.seconds, 0, sizeof flight.seconds);
    flight.start = flight.last = 0;
    flight.most = flight.now;
    pthread_mutex_unlock(&flight.lock);
}
static bool control(struct connection *c, const struct request *q) {
    struct answer a = {.status = 200, .type = "application/json"};
    if (!strcmp(q->path, "/__stats")) put_stats(&a.body);
    else if (!strcmp(q->path, "/__reset")) reset(q), put(&a.body, "{}");
    else fail(&a, 404, "UnknownControl");
    bool ok = respond(c, q, &a);
    free(a.body.p);
    return ok;
}

// ------------------------------------------------------------------------------- serving

static u64 mix(u64 x) {                          // spreads consecutive numbers over 64 bits
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
    return x ^ (x >> 33);
}
enum fault { NONE, FAULT_500, FAULT_503, FAULT_RESET };
// The n-th request of every run with one seed meets the same fate, whoever sends it.
static enum fault choose_fault(u64 n) {
    if (opt.fail_rate <= 0) return NONE;
    u64 x = mix(opt.seed * 0x9E3779B97F4A7C15ull + n);
    if ((double)(x >> 11) * 0x1p-53 >= opt.fail_rate) return NONE;
    enum fault modes[3];
    unsigned n_modes = 0;
    if (opt.fail_500) modes[n_modes++] = FAULT_500;
    if (opt.fail_503) modes[n_modes++] = FAULT_503;
    if (opt.fail_reset) modes[n_modes++] = FAULT_RESET;
    return n_modes ? modes[mix(x) % n_modes] : NONE;
}
static void cut(struct connection *c, const struct request *q) {
    struct linger at_once = {1, 0};
    take(c, q->length / 2, NULL);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ADD(count.failed_reset, 1);
}
// Work on one request whose head was read. False: the connection is over.
static bool answer_request(struct connection *c, const struct request *q) {
    enum fault fault = choose_fault(ADD(count.requests, 1));
    if (q->wants_100 && !transmit(c, "HTTP/1.1 100 Continue\r\n\r\n", 25)) return false;
    if (fault == FAULT_RESET) {
        cut(c, q);
        return false;
    }
    u64 length = 0;
    char *text = NULL;
    struct answer a = {0};
    bool ok = read_body(c, q, &length, &text);
    if (ok) {
        if (fault != FAULT_503) perform(q, length, text, &a);
        if (fault != NONE) {
            free(a.headers.p);
            free(a.body.p);
            a = (struct answer){0};
            fail(&a, fault == FAULT_500 ? 500 : 503, fault == FAULT_500 ? "InternalError" : "ServerBusy");
            ADD(*(fault == FAULT_500 ? &count.failed_500 : &count.failed_503), 1);
        }
        if (opt.latency_ms > 0) sleep_until(now_ns() + (u64)(opt.latency_ms * 1e6));
        ADD(count.statuses[a.status], 1);
        ok = respond(c, q, &a);
        SET(count.last_answer, now_ns());
    } else ADD(count.broken_requests, 1);
    free(text);
    free(a.headers.p);
    free(a.body.p);
    return ok && !q->wants_close;
}
static bool serve_request(struct connection *c, struct request *q, bool *counted) {
    u64 none = 0;
    char ignored[8];
    __atomic_compare_exchange_n(&count.first_request, &none, now_ns(), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    if (!*counted) ADD(count.connections, 1);
    *counted = true;
    q->kind = kind_of(q);
    ADD(count.kinds[q->kind], 1);
    if (!q->is_signed && !parameter(q, "sig", ignored, sizeof ignored)) ADD(count.unsigned_requests, 1);
    bool data = carries_data(q->kind);
    if (data) flight_change(1);
    bool more = answer_request(c, q);
    if (data) flight_change(-1);
    return more;
}
static void *serve(void *argument) {
    struct connection *c = argument;
    struct request *q = malloc(sizeof *q);
    bool counted = false, more = true;
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);      // sleeps end on time, not 50 µs late
    if (opt.tls) {
        c->tls = SSL_new(opt.tls);
        SSL_set_fd(c->tls, c->fd);
        more = SSL_accept(c->tls) > 0;
    }
    while (more) {
        int got = read_head(c, q);
        if (got < 0) ADD(count.broken_requests, 1);
        if (got <= 0) break;
        more = strncmp(q->path, "/__", 3) ? serve_request(c, q, &counted) : control(c, q);
    }
    ERR_clear_error();
    if (c->tls) SSL_free(c->tls);
    close(c->fd);
    free(c->scratch);
    free(c);
    free(q);
    return NULL;
}

// ------------------------------------------------------------------------------- start

static void use_tls(const char *certificate, const char *key) {
    opt.tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(opt.tls, TLS1_2_VERSION);
    SSL_CTX_set_read_ahead(opt.tls, 1);
    SSL_CTX_set_default_read_buffer_len(opt.tls, 128 * 1024);    // fewer recv calls a record
    if (SSL_CTX_use_certificate_chain_file(opt.tls, certificate) == 1
        && SSL_CTX_use_PrivateKey_file(opt.tls, key, SSL_FILETYPE_PEM) == 1) return;
    ERR_print_errors_fp(stderr);
    exit(1);
}
static void read_options(int n, char **words) {
    struct { const char *name; double *value; } numbers[] = {
        {"--latency-ms", &opt.latency_ms}, {"--conn-mbps", &opt.conn_mbps}, {"--total-mbps", &opt.total_mbps},
        {"--then-mbps", &opt.then_mbps}, {"--then-after", &opt.then_after}, {"--fail-rate", &opt.fail_rate},
    };
    for (int i = 1; i < n; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers && i + 1 < n && !known; k++)
            if ((known = !strcmp(words[i], numbers[k].name))) *numbers[k].value = strtod(words[++i], NULL);
        if (known) continue;
        if (!strcmp(words[i], "--seed") && i + 1 < n) opt.seed = strtoull(words[++i], NULL, 10);
        else if (!strcmp(words[i], "--fail-modes") && i + 1 < n) {
            i++;
            opt.fail_500 = strstr(words[i], "500");
            opt.fail_503 = strstr(words[i], "503");
            opt.fail_reset = strstr(words[i], "reset");
        } else if (!strcmp(words[i], "--tls") && i + 2 < n) {
            use_tls(words[i + 1], words[i + 2]);
            i += 2;
        } else {
            fprintf(stderr, "unknown option or missing value: %s\n", words[i]);
            exit(2);
        }
    }
}
static int listen_on_loopback(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), room = 256 * 1024;
    // A paced stream must not hide in the kernel's buffers.
    if (is_paced()) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1024)) {
        perror("listen");
        exit(1);
    }
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}
int main(int n, char **words) {
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);            // never outlive the benchmark
    read_options(n, words);
    int listener = listen_on_loopback(), one = 1;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        pthread_t thread;
        if (pthread_create(&thread, &attributes, serve, c)) {
            close(fd);
            free(c);
        }
    }
}
