/* A cloud that takes everything and keeps nothing, for measuring who sends to it.
 *
 * Owns just enough of the service for a daemon to deliver for real over keep-alive HTTP/1.1: team,
 * package, files, chunk URLs, parts, both finalizes, links. Bodies of parts are thrown away inside
 * the kernel (MSG_TRUNC) and only counted. Beside it an S3 and a WebDAV form for other senders, and
 * GET /_counts and POST /_reset for whoever measures. A thread for each connection, no lock.
 *
 *     cc -O2 -pthread -o sink sink.c
 *     sink [--listen HOST:PORT] [--public URL] [--rate BYTES_A_SECOND] [--delay MS] [--tied]
 *
 * Prints "sink ready: port=N". With --public the storage's URLs begin so, else with what the caller
 * called us by. With --rate each connection is read that slowly, through a small window. With
 * --delay each answer waits. With --tied it ends with its standard input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HEAD_LIMIT (64 * 1024)
#define BODY_LIMIT (64 * 1024 * 1024)
#define READ_AT_ONCE (4 * 1024 * 1024)
#define MOST_FILES (16 * 1024 * 1024)
#define MOST_PACKAGES (1024 * 1024)
#define NAMES_SIZE (4ULL << 30)
#define SLOW_WINDOW (64 * 1024)
#define STACK (256 * 1024)

enum kind {
    TEAMS, PACKAGE_CREATE, PACKAGE_LIST, PACKAGE_GET, PACKAGE_FINALIZE, PACKAGE_DELETE, PORTAL,
    FILE_ADD, FILE_LIST, FILE_FINALIZE, FILE_DELETE, MULTIPART_CREATE, CHUNK_URLS, PUT, ABORT, LINK,
    S3, DAV, OTHER, KINDS,
    /* Counted but never told: who measures must not measure himself. */
    ASIDE = KINDS
};
static const char *const NAMES[KINDS] = {
    "teams", "package_create", "package_list", "package_get", "package_finalize", "package_delete",
    "portal", "file_add", "file_list", "file_finalize", "file_delete", "multipart_create",
    "chunk_urls", "put", "abort", "link", "s3", "dav", "other",
};

/* Times are nanoseconds of CLOCK_MONOTONIC; 0 is never. */
static struct {
    _Atomic int64_t count, first, last;
} calls[KINDS + 1];
static _Atomic int64_t bytes_put, byte_first, byte_last, puts_now, puts_peak, wrong_sizes, opened;

struct file {
    uint32_t package, name_size, path_size, is_closed;
    uint64_t name_at, size;
    _Atomic uint64_t put;
};
static struct file *files;
static _Atomic unsigned char *is_finalized;
static char *names;
static _Atomic uint64_t file_count, package_count, names_size, link_count;

static const char *public_url;
static int64_t rate, delay_ns;
/* As long as the rest of a presigned query is. */
static char signature[401];

struct line {
    int fd;
    /* What was received beyond the head at hand. */
    char *in;
    size_t have;
    char *head, *body, *out;
    size_t body_size, out_size, out_room;
    /* Of the request at hand. */
    int64_t arrived;
    enum kind kind;
    char *method, *path, *query, *piece[8], host[300];
    int pieces, expects, closes, is_chunked, is_tls;
    int64_t length, taken;
};

static int64_t now_ns(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void wait_until(int64_t at) {
    struct timespec until = {at / 1000000000, at % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static void mark(_Atomic int64_t *first, _Atomic int64_t *last, int64_t began) {
    int64_t never = 0;
    if (atomic_load_explicit(first, memory_order_relaxed) == 0)
        atomic_compare_exchange_strong(first, &never, began);
    atomic_store_explicit(last, now_ns(CLOCK_MONOTONIC), memory_order_relaxed);
}

static void say(struct line *line, const char *form, ...) {
    for (;;) {
        va_list list;
        size_t room = line->out_room - line->out_size;
        va_start(list, form);
        size_t size = (size_t)vsnprintf(line->out + line->out_size, room, form, list);
        va_end(list);
        if (size < room) {
            line->out_size += size;
            return;
        }
        line->out_room = 2 * line->out_room + size;
        line->out = realloc(line->out, line->out_room);
        if (line->out == NULL)
            abort();
    }
}

/* Send the answer that was said. */
static int answer(struct line *line, const char *status, const char *headers) {
    char head[1024];
    int size = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
                        line->out_size, headers);
    struct iovec pieces[2] = {{head, (size_t)size}, {line->out, line->out_size}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    if (delay_ns && line->kind != ASIDE)
        wait_until(now_ns(CLOCK_MONOTONIC) + delay_ns);
    mark(&calls[line->kind].first, &calls[line->kind].last, line->arrived);
    atomic_fetch_add_explicit(&calls[line->kind].count, 1, memory_order_relaxed);
    while (message.msg_iovlen) {
        ssize_t sent = sendmsg(line->fd, &message, MSG_NOSIGNAL);
        if (sent < 0)
            return 0;
        while (message.msg_iovlen && (size_t)sent >= message.msg_iov->iov_len) {
            sent -= (ssize_t)message.msg_iov->iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (message.msg_iovlen) {
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
            message.msg_iov->iov_len -= (size_t)sent;
        }
    }
    return 1;
}

static int answer_json(struct line *line, const char *status) {
    return answer(line, status, "Content-Type: application/json\r\n");
}

static int answer_nothing(struct line *line) { return answer(line, "204 No Content", ""); }

static int answer_xml(struct line *line, const char *status) {
    return answer(line, status, "Content-Type: application/xml\r\n");
}

/* Take the next head out of what was received. */
static int read_head(struct line *line) {
    char *end;
    while ((end = memmem(line->in, line->have, "\r\n\r\n", 4)) == NULL) {
        if (line->have == HEAD_LIMIT)
            return 0;
        ssize_t got = recv(line->fd, line->in + line->have, HEAD_LIMIT - line->have, 0);
        if (got <= 0)
            return 0;
        line->have += (size_t)got;
    }
    size_t size = (size_t)(end - line->in) + 4;
    line->arrived = now_ns(CLOCK_MONOTONIC);
    memcpy(line->head, line->in, size - 4);
    line->head[size - 4] = '\0';
    line->have -= size;
    memmove(line->in, line->in + size, line->have);
    return 1;
}

static void take_header(struct line *line, char *name, char *value) {
    if (!strcasecmp(name, "content-length"))
        line->length = atoll(value);
    else if (!strcasecmp(name, "host"))
        snprintf(line->host, sizeof line->host, "%s", value);
    else if (!strcasecmp(name, "expect"))
        line->expects = 1;
    else if (!strcasecmp(name, "transfer-encoding"))
        line->is_chunked = 1;
    else if (!strcasecmp(name, "x-forwarded-proto"))
        line->is_tls = !strcmp(value, "https");
    else if (!strcasecmp(name, "connection"))
        line->closes = !strcasecmp(value, "close");
}

static int parse_head(struct line *line) {
    char *rest = line->head, *first = strsep(&rest, "\n"), *row;
    line->method = strsep(&first, " ");
    line->query = strsep(&first, " ");
    if (line->query == NULL || first == NULL)
        return 0;
    line->path = strsep(&line->query, "?");
    if (line->query == NULL)
        line->query = "";
    line->length = line->taken = 0;
    line->expects = line->closes = line->is_chunked = line->is_tls = line->pieces = 0;
    while (rest && (row = strsep(&rest, "\n"))) {
        row[strcspn(row, "\r")] = '\0';
        char *name = strsep(&row, ":");
        if (row)
            take_header(line, name, row + strspn(row, " "));
    }
    char *walk = line->path, *piece;
    while ((piece = strsep(&walk, "/")) && line->pieces < 8)
        if (*piece)
            line->piece[line->pieces++] = piece;
    memset(line->piece + line->pieces, 0, sizeof line->piece - line->pieces * sizeof(char *));
    return 1;
}

/* Count a body and throw it away; what of it came with the head is at the front of the buffer. */
static int discard(struct line *line) {
    int64_t began = now_ns(CLOCK_MONOTONIC), left = line->length;
    size_t early = line->have < (size_t)left ? line->have : (size_t)left;
    size_t most = rate ? (size_t)rate / 20 + 1 : READ_AT_ONCE;
    int64_t now = atomic_fetch_add(&puts_now, 1) + 1, peak = atomic_load(&puts_peak);
    while (now > peak && !atomic_compare_exchange_weak(&puts_peak, &peak, now)) {
    }
    ssize_t got = (ssize_t)early;
    line->have -= early;
    memmove(line->in, line->in + early, line->have);
    for (;;) {
        if (got > 0) {
            atomic_fetch_add_explicit(&bytes_put, got, memory_order_relaxed);
            mark(&byte_first, &byte_last, line->arrived);
        }
        line->taken += got;
        left -= got;
        if (rate)
            wait_until(began + (int64_t)((double)line->taken / (double)rate * 1e9));
        if (left == 0)
            break;
        got = recv(line->fd, line->in, (size_t)left < most ? (size_t)left : most, MSG_TRUNC);
        if (got <= 0)
            break;
    }
    atomic_fetch_sub(&puts_now, 1);
    return left == 0;
}

static int keep(struct line *line) {
    if (line->length > BODY_LIMIT)
        return 0;
    if ((size_t)line->length + 1 > line->body_size) {
        line->body_size = (size_t)line->length + 1;
        line->body = realloc(line->body, line->body_size);
        if (line->body == NULL)
            abort();
    }
    size_t filled = line->have < (size_t)line->length ? line->have : (size_t)line->length;
    memcpy(line->body, line->in, filled);
    line->have -= filled;
    memmove(line->in, line->in + filled, line->have);
    while (filled < (size_t)line->length) {
        ssize_t got = recv(line->fd, line->body + filled, (size_t)line->length - filled, 0);
        if (got <= 0)
            return 0;
        filled += (size_t)got;
    }
    line->body[filled] = '\0';
    return 1;
}

static int64_t asked(struct line *line, const char *name) {
    size_t size = strlen(name);
    for (char *at = line->query; at; at = strchr(at, '&')) {
        at += *at == '&';
        if (!strncmp(at, name, size) && at[size] == '=')
            return atoll(at + size + 1);
    }
    return -1;
}

static char *past_string(char *at) {
    while (*at && *at != '"')
        at += (*at == '\\' && at[1]) ? 2 : 1;
    return at;
}

/* Give the raw value of a key at the top of a JSON object, or "". */
static char *member(struct line *line, const char *key, uint32_t *size) {
    int depth = 0;
    *size = 0;
    for (char *at = line->body; *at; at++) {
        depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        if (*at != '"')
            continue;
        char *start = at + 1, *end = at = past_string(start);
        if (*end == '\0')
            break;
        char *colon = end + 1 + strspn(end + 1, " \n\r\t");
        if (depth != 1 || *colon != ':' || strlen(key) != (size_t)(end - start) ||
            memcmp(start, key, (size_t)(end - start)))
            continue;
        char *value = colon + 1 + strspn(colon + 1, " \n\r\t");
        char *stop = *value == '"' ? past_string(value + 1) : value + strcspn(value, ",}]");
        value += *value == '"';
        *size = (uint32_t)(stop - value);
        return value;
    }
    return "";
}

static uint64_t numbered(const char *id) {
    return id ? strtoull(id + strcspn(id, "0123456789"), NULL, 10) : 0;
}

static struct file *file_of(const char *id) {
    uint64_t number = numbered(id);
    return number && number <= atomic_load(&file_count) ? &files[number] : NULL;
}

static void say_base(struct line *line) {
    if (public_url)
        say(line, "%s", public_url);
    else
        say(line, "%s://%s", line->is_tls ? "https" : "http", line->host);
}

static int unknown(struct line *line) {
    say(line, "{\"code\":404,\"message\":\"the sink has no %s %s\"}", line->method,
        line->pieces ? line->piece[line->pieces - 1] : "/");
    return answer_json(line, "404 Not Found");
}

static int say_package(struct line *line, uint64_t number, const char *status) {
    say(line,
        "{\"id\":\"P%llu\",\"name\":\"\",\"state\":\"%s\",\"access_token\":\"sink-package-%llu\","
        "\"total_files\":0,\"links\":[]}",
        (unsigned long long)number, is_finalized[number] ? "finalized" : "new",
        (unsigned long long)number);
    return answer_json(line, status);
}

static int create_package(struct line *line) {
    uint64_t number = atomic_fetch_add(&package_count, 1) + 1;
    if (number >= MOST_PACKAGES)
        return 0;
    return say_package(line, number, "201 Created");
}

static int add_file(struct line *line, uint64_t package) {
    uint32_t name_size, path_size;
    char *name = member(line, "name", &name_size), *path = member(line, "path", &path_size);
    uint64_t number = atomic_fetch_add(&file_count, 1) + 1;
    uint64_t at = atomic_fetch_add(&names_size, name_size + path_size);
    if (number >= MOST_FILES || at + name_size + path_size > NAMES_SIZE)
        return 0;
    memcpy(names + at, name, name_size);
    memcpy(names + at + name_size, path, path_size);
    struct file *file = &files[number];
    file->name_at = at;
    file->name_size = name_size;
    file->path_size = path_size;
    file->package = (uint32_t)package;
    say(line, "{\"file\":{\"id\":\"F%llu\",\"name\":\"%.*s\",\"path\":\"%.*s\",\"kind\":\"file\"},"
        "\"create_blueprint\":{\"method\":\"POST\",\"url\":\"", (unsigned long long)number,
        (int)name_size, name, (int)path_size, path);
    say_base(line);
    say(line, "/storage/F%llu?uploads&X-Amz-Signature=%s\",\"headers\":{},\"body\":\"\"},"
        "\"min_chunk_size\":5242880,\"max_chunk_size\":5368709120,\"max_chunks_count\":10000}",
        (unsigned long long)number, signature);
    return answer_json(line, "201 Created");
}

static int list_files(struct line *line, uint64_t package) {
    const char *comma = "";
    uint64_t count = atomic_load(&file_count);
    say(line, "[");
    for (uint64_t number = 1; number <= count; number++) {
        struct file *file = &files[number];
        if (file->package != package)
            continue;
        char *name = names + file->name_at;
        say(line, "%s{\"id\":\"F%llu\",\"kind\":\"file\",\"name\":\"%.*s\",\"path\":\"%.*s\","
            "\"size\":%llu,\"completed\":%s}", comma, (unsigned long long)number,
            (int)file->name_size, name, (int)file->path_size, name + file->name_size,
            (unsigned long long)file->size, file->is_closed ? "true" : "false");
        comma = ",";
    }
    say(line, "]");
    return answer_json(line, "200 OK");
}

static int give_urls(struct line *line, const char *id) {
    int64_t start = asked(line, "start"), count = asked(line, "count");
    if (start < 0 || count < 1 || start + count > 10000)
        return unknown(line);
    say(line, "[");
    for (int64_t number = start + 1; number <= start + count; number++) {
        say(line, "%s{\"method\":\"PUT\",\"url\":\"", number == start + 1 ? "" : ",");
        say_base(line);
        say(line, "/storage/%s?uploadId=U-%s&partNumber=%lld&X-Amz-Signature=%s\",\"headers\":{}}",
            id, id, (long long)number, signature);
    }
    say(line, "]");
    return answer_json(line, "200 OK");
}

static int finalize_file(struct line *line, struct file *file) {
    uint32_t digits;
    file->size = strtoull(member(line, "size", &digits), NULL, 10);
    /* More was sent twice after an error; less was never sent whole. */
    if (atomic_load(&file->put) < file->size)
        atomic_fetch_add(&wrong_sizes, 1);
    file->is_closed = 1;
    say(line, "{}");
    return answer_json(line, "200 OK");
}

static int create_multipart(struct line *line, const char *key) {
    say(line, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult xmlns="
        "\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>sink</Bucket><Key>%s</Key>"
        "<UploadId>U-%s</UploadId></InitiateMultipartUploadResult>", key, key);
    return answer_xml(line, "200 OK");
}

static int put_part(struct line *line, struct file *file) {
    char headers[200];
    int is_whole = discard(line);
    if (file)
        atomic_fetch_add_explicit(&file->put, (uint64_t)line->taken, memory_order_relaxed);
    snprintf(headers, sizeof headers, "ETag: \"sink-%lld-%lld\"\r\nX-Read: %lld\r\n",
             (long long)asked(line, "partNumber"), (long long)line->taken, (long long)line->taken);
    return is_whole && answer(line, "200 OK", headers);
}

/* What a TLS front threw away in our stead: POST /_put/F1?bytes=N&first=NS&last=NS */
static int note_put(struct line *line) {
    line->kind = PUT;
    struct file *file = file_of(line->piece[1]);
    int64_t bytes = asked(line, "bytes"), first = asked(line, "first"), last = asked(line, "last");
    int64_t seen = atomic_load(&byte_first);
    while ((seen == 0 || first < seen) && !atomic_compare_exchange_weak(&byte_first, &seen, first)) {
    }
    seen = atomic_load(&byte_last);
    while (last > seen && !atomic_compare_exchange_weak(&byte_last, &seen, last)) {
    }
    atomic_fetch_add(&bytes_put, bytes);
    if (file)
        atomic_fetch_add(&file->put, (uint64_t)bytes);
    return answer_nothing(line);
}

static int in_package(struct line *line) {
    char **piece = line->piece, *method = line->method, *what = piece[3];
    int is_post = !strcmp(method, "POST"), is_get = !strcmp(method, "GET");
    uint64_t package = numbered(piece[2]);
    if (package == 0 || package > atomic_load(&package_count))
        return unknown(line);
    if (line->pieces == 3) {
        line->kind = is_get ? PACKAGE_GET : PACKAGE_DELETE;
        return is_get ? say_package(line, package, "200 OK") : answer_nothing(line);
    }
    if (!strcmp(what, "links")) {
        line->kind = LINK;
        if (line->pieces == 5)
            return answer_nothing(line);
        say(line, "{\"id\":\"L%llu\",\"download_secret\":\"sink-link-secret\",\"active\":true}",
            (unsigned long long)atomic_fetch_add(&link_count, 1) + 1);
        return answer_json(line, "201 Created");
    }
    if (!strcmp(what, "finalize") && is_post) {
        line->kind = PACKAGE_FINALIZE;
        is_finalized[package] = 1;
        say(line, "{}");
        return answer_json(line, "200 OK");
    }
    if (strcmp(what, "files"))
        return unknown(line);
    if (line->pieces == 4) {
        line->kind = is_post ? FILE_ADD : FILE_LIST;
        return is_post ? add_file(line, package) : list_files(line, package);
    }
    struct file *file = file_of(piece[4]);
    if (file == NULL)
        return unknown(line);
    line->kind = is_post ? (line->pieces == 6 ? FILE_FINALIZE : CHUNK_URLS) : FILE_DELETE;
    if (!is_post) {
        file->package = 0;
        return answer_nothing(line);
    }
    return line->pieces == 6 ? finalize_file(line, file) : give_urls(line, piece[4]);
}

static int in_cloud(struct line *line) {
    char **piece = line->piece;
    int is_post = !strcmp(line->method, "POST");
    if (line->pieces < 2)
        return unknown(line);
    if (!strcmp(piece[1], "packages") && line->pieces > 2)
        return in_package(line);
    if (!strcmp(piece[1], "subdomains")) {
        line->kind = PORTAL;
        say(line, "{\"id\":\"portal1\"}");
        return answer_json(line, "200 OK");
    }
    if (line->pieces == 2) {
        line->kind = TEAMS;
        say(line, "[{\"id\":\"team1\",\"name\":\"Acme\",\"subdomain\":\"acme\"}]");
        return answer_json(line, "200 OK");
    }
    line->kind = is_post ? PACKAGE_CREATE : line->pieces == 5 ? PACKAGE_GET : PACKAGE_LIST;
    if (line->kind == PACKAGE_CREATE)
        return create_package(line);
    if (line->kind == PACKAGE_GET) {
        uint64_t number = numbered(piece[4]);
        return number && number <= package_count ? say_package(line, number, "200 OK")
                                                 : unknown(line);
    }
    say(line, "{\"metadata\":{\"total\":0},\"records\":[]}");
    return answer_json(line, "200 OK");
}

static int in_s3(struct line *line) {
    char *key = line->pieces > 2 ? line->piece[line->pieces - 1] : "";
    line->kind = S3;
    if (!strcmp(line->method, "POST") && !strncmp(line->query, "uploads", 7))
        return create_multipart(line, key);
    if (!strcmp(line->method, "POST")) {
        say(line, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUploadResult xmlns="
            "\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>sink</Bucket><Key>%s</Key>"
            "<ETag>\"sink-1\"</ETag></CompleteMultipartUploadResult>", key);
        return answer_xml(line, "200 OK");
    }
    if (!strcmp(line->method, "GET")) {
        say(line, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns="
            "\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>sink</Name><KeyCount>0</KeyCount>"
            "<IsTruncated>false</IsTruncated></ListBucketResult>");
        return answer_xml(line, "200 OK");
    }
    /* HEAD has no body, and nothing is ever there. */
    return answer(line, !strcmp(line->method, "HEAD") ? "404 Not Found" : "200 OK", "");
}

/* A name ends in ".SIZE.bin", which is all that the sink knows of it. */
static int in_dav(struct line *line) {
    char *name = line->pieces > 1 ? line->piece[line->pieces - 1] : "", *size = strchr(name, '.');
    line->kind = DAV;
    if (strcmp(line->method, "PROPFIND"))
        return answer(line, "201 Created", "");
    say(line, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<d:multistatus xmlns:d=\"DAV:\">"
        "<d:response><d:href>/dav/%s</d:href><d:propstat><d:prop><d:resourcetype>%s"
        "</d:resourcetype><d:getcontentlength>%lld</d:getcontentlength><d:getlastmodified>Thu, 01 "
        "Jan 2026 00:00:00 GMT</d:getlastmodified></d:prop><d:status>HTTP/1.1 200 OK</d:status>"
        "</d:propstat></d:response></d:multistatus>", name, size ? "" : "<d:collection/>",
        size ? atoll(size + 1) : 0);
    return answer_xml(line, "207 Multi-Status");
}

static double seconds(int64_t at, int64_t offset) { return at ? (double)(at + offset) / 1e9 : 0; }

static int give_counts(struct line *line) {
    int64_t to_wall = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC);
    const char *titles[3] = {"calls", "first", "last"};
    say(line, "{");
    for (int title = 0; title < 3; title++) {
        say(line, "\"%s\":{", titles[title]);
        for (int kind = 0; kind < KINDS; kind++) {
            say(line, "%s\"%s\":", kind ? "," : "", NAMES[kind]);
            if (title == 0)
                say(line, "%lld", (long long)calls[kind].count);
            else
                say(line, "%.9f", seconds(title == 1 ? calls[kind].first : calls[kind].last, 0));
        }
        say(line, "},");
    }
    say(line, "\"bytes_put\":%lld,\"puts_now\":%lld,\"puts_peak\":%lld,\"wrong_sizes\":%lld,"
        "\"connections\":%lld,", (long long)bytes_put, (long long)puts_now, (long long)puts_peak,
        (long long)wrong_sizes, (long long)opened);
    int64_t finalized = calls[PACKAGE_FINALIZE].last;
    say(line, "\"put_first\":%.9f,\"put_last\":%.9f,\"finalized\":%.9f,", seconds(byte_first, 0),
        seconds(byte_last, 0), seconds(finalized, 0));
    say(line, "\"put_first_wall\":%.9f,\"put_last_wall\":%.9f,\"finalized_wall\":%.9f}",
        seconds(byte_first, to_wall), seconds(byte_last, to_wall), seconds(finalized, to_wall));
    return answer_json(line, "200 OK");
}

static int reset(struct line *line) {
    for (int kind = 0; kind < KINDS; kind++)
        calls[kind].count = calls[kind].first = calls[kind].last = 0;
    bytes_put = byte_first = byte_last = puts_peak = wrong_sizes = opened = 0;
    return answer_nothing(line);
}

static int handle(struct line *line) {
    char *top = line->pieces ? line->piece[0] : "";
    int is_post = !strcmp(line->method, "POST"), is_s3 = !strcmp(top, "s3");
    line->out_size = 0;
    line->kind = OTHER;
    if (line->expects && send(line->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) != 25)
        return 0;
    if (line->is_chunked) {
        line->closes = 1;
        return answer(line, "411 Length Required", "");
    }
    if (!strcmp(line->method, "PUT") && line->pieces > 1 + is_s3) {
        line->kind = PUT;
        return put_part(line, strcmp(top, "storage") ? NULL : file_of(line->piece[1]));
    }
    if (!keep(line))
        return 0;
    if (!strcmp(top, "v1") || !strcmp(top, "v1.1"))
        return in_cloud(line);
    if (!strcmp(top, "storage") && line->pieces == 2) {
        line->kind = is_post ? MULTIPART_CREATE : ABORT;
        return is_post ? create_multipart(line, line->piece[1]) : answer_nothing(line);
    }
    if (is_s3 || !strcmp(top, "dav"))
        return is_s3 ? in_s3(line) : in_dav(line);
    line->kind = ASIDE;
    if (!strcmp(top, "_counts"))
        return give_counts(line);
    if (!strcmp(top, "_reset"))
        return reset(line);
    if (!strcmp(top, "_put") && line->pieces == 2)
        return note_put(line);
    line->kind = OTHER;
    return unknown(line);
}

static void *serve(void *given) {
    struct line line = {.fd = (int)(intptr_t)given, .out_room = 4096, .body_size = 4096};
    int one = 1;
    line.in = malloc(HEAD_LIMIT);
    line.head = malloc(HEAD_LIMIT);
    line.out = malloc(line.out_room);
    line.body = malloc(line.body_size);
    setsockopt(line.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    atomic_fetch_add(&opened, 1);
    while (read_head(&line) && parse_head(&line) && handle(&line) && !line.closes) {
    }
    close(line.fd);
    free(line.in);
    free(line.head);
    free(line.out);
    free(line.body);
    return NULL;
}

static void *room(size_t size) {
    void *found = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (found == MAP_FAILED) {
        perror("sink: mmap");
        exit(1);
    }
    return found;
}

static int listen_at(char *where) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int one = 1, window = SLOW_WINDOW, fd = socket(AF_INET, SOCK_STREAM, 0);
    char *host = strsep(&where, ":");
    address.sin_port = htons((uint16_t)(where ? atoi(where) : 0));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (rate)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&address, &size)) {
        perror("sink: listen");
        exit(1);
    }
    printf("sink ready: port=%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void *end_with_input(void *unused) {
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    exit(unused != NULL);
}

int main(int count, char **words) {
    char local[] = "127.0.0.1:0", *where = local;
    pthread_t thread;
    pthread_attr_t attributes;
    int is_tied = 0;
    for (int at = 1; at < count; at++) {
        char *value = at + 1 < count ? words[at + 1] : NULL;
        if (!strcmp(words[at], "--tied")) {
            is_tied = 1;
            continue;
        }
        if (value && !strcmp(words[at], "--listen"))
            where = value;
        else if (value && !strcmp(words[at], "--public"))
            public_url = value;
        else if (value && !strcmp(words[at], "--rate"))
            rate = atoll(value);
        else if (value && !strcmp(words[at], "--delay"))
            delay_ns = (int64_t)(atof(value) * 1e6);
        else {
            fprintf(stderr, "sink: %s is unknown or lacks its value\n", words[at]);
            return 2;
        }
        at++;
    }
    memset(signature, 'f', sizeof signature - 1);
    files = room(MOST_FILES * sizeof *files);
    is_finalized = room(MOST_PACKAGES);
    names = room(NAMES_SIZE);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int fd = listen_at(where);
    if (is_tied)
        pthread_create(&thread, &attributes, end_with_input, NULL);
    for (;;) {
        int line = accept(fd, NULL, NULL);
        if (line >= 0 && pthread_create(&thread, &attributes, serve, (void *)(intptr_t)line))
            close(line);
    }
}
