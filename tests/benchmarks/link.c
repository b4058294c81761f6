/*
 * A long link: two TUN devices, each in a network namespace of its own, joined by one process.
 *
 * Owns the delay, the rate, the queue in front of it and the loss. Never looks into a packet. Started
 * by namespaces.py, which gives the devices their addresses; ends when its standard input does, so
 * that it never outlives who started it.
 *
 *     link NEAR FAR DEVICE RATE DELAY_US QUEUE_US LOSS_PPM SEED
 *
 * NEAR, FAR   files of the two namespaces (/run/netns/NAME); DEVICE is made in each
 * RATE        bytes a second in each direction, IP headers included
 * DELAY_US    microseconds from the end of a packet's sending to its arrival
 * QUEUE_US    how long a packet may wait for the link; one that would wait longer is dropped
 * LOSS_PPM    packets in a million that are lost on the way from near to far
 * SEED        of that loss: the same packets in the same order lose the same ones
 *
 * It says "ready" in a line once both devices exist, and at the end one line of JSON.
 *
 * Each direction is one thread over one ring, and time is virtual: a packet that is read is told at
 * once when it will have left the link (`busy_until`) and when it arrives, so that nothing depends on
 * how promptly this process is woken, only how exactly. Lost packets take their share of the rate.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LARGEST_PACKET 2048
/* one turn reads and delivers at most so often: waking for each packet would cost a core */
#define TURN_NS 100000
/* how often a thread without traffic looks whether it shall end */
#define LOOK_NS 50000000L
#define SECOND_NS 1000000000ULL

struct head {
    uint64_t due_ns;
    uint32_t size; /* 0: the rest of the ring up to its end is unused */
    uint32_t is_lost;
};

struct direction {
    const char *name;
    int from, to;
    double ns_per_byte;
    uint64_t delay_ns, queue_ns;
    uint64_t loss; /* of 2^64 */
    uint64_t random;

    char *ring;
    size_t capacity, first, next, used;
    uint64_t busy_until;

    uint64_t packets, bytes, delivered, delivered_bytes, lost, overflowed, refused;
    uint64_t deepest_ns, late_ns, latest_ns, cpu_ns;
    uint64_t late_over_1ms;
};

static atomic_int is_over;

static uint64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * SECOND_NS + (uint64_t)at.tv_nsec;
}

static void die(const char *doing) {
    fprintf(stderr, "link: %s: %s\n", doing, strerror(errno));
    exit(1);
}

static uint64_t dice(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static int device(const char *namespace, const char *name) {
    int where = open(namespace, O_RDONLY | O_CLOEXEC);
    if (where < 0)
        die(namespace);
    if (setns(where, CLONE_NEWNET) < 0)
        die("setns");
    close(where);
    int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun < 0)
        die("/dev/net/tun");
    /* no IFF_VNET_HDR: packets come as the link would carry them, none larger than the MTU */
    struct ifreq wish = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strncpy(wish.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(tun, TUNSETIFF, &wish) < 0)
        die("TUNSETIFF");
    return tun;
}

/* Give where a packet of any size can be read to, or NULL when the ring is full. */
static struct head *space(struct direction *d) {
    size_t need = sizeof(struct head) + LARGEST_PACKET;
    if (d->capacity - d->next < need) {
        size_t rest = d->capacity - d->next;
        if (d->used + rest + need > d->capacity)
            return NULL;
        if (rest >= sizeof(struct head))
            ((struct head *)(d->ring + d->next))->size = 0;
        d->used += rest;
        d->next = 0;
    }
    return d->used + need > d->capacity ? NULL : (struct head *)(d->ring + d->next);
}

static struct head *oldest(struct direction *d) {
    if (d->used == 0)
        return NULL;
    size_t rest = d->capacity - d->first;
    if (rest < sizeof(struct head) || ((struct head *)(d->ring + d->first))->size == 0) {
        d->used -= rest;
        d->first = 0;
        if (d->used == 0)
            return NULL;
    }
    return (struct head *)(d->ring + d->first);
}

static size_t footprint(const struct head *head) {
    return (sizeof(struct head) + head->size + 15) & ~(size_t)15;
}

/* Put a packet that was read on the link, or drop it. */
static void admit(struct direction *d, struct head *head, uint64_t now) {
    d->packets++;
    d->bytes += head->size;
    if (d->busy_until < now)
        d->busy_until = now;
    uint64_t waits = d->busy_until - now;
    if (waits > d->queue_ns) {
        d->overflowed++;
        return;
    }
    if (waits > d->deepest_ns)
        d->deepest_ns = waits;
    d->busy_until += (uint64_t)(head->size * d->ns_per_byte);
    head->due_ns = d->busy_until + d->delay_ns;
    head->is_lost = d->loss != 0 && dice(&d->random) < d->loss;
    size_t size = footprint(head);
    d->next += size;
    d->used += size;
}

static int take_in(struct direction *d) {
    char scrap[LARGEST_PACKET];
    for (int count = 0;; count++) {
        struct head *head = space(d);
        ssize_t size = read(d->from, head ? (char *)(head + 1) : scrap, LARGEST_PACKET);
        if (size <= 0) {
            if (size < 0 && errno == EINTR)
                continue;
            if (size < 0 && errno != EAGAIN && errno != EIO) /* EIO: the device is not up yet */
                die("reading a packet");
            return count;
        }
        if (head == NULL) {
            d->packets++;
            d->bytes += (uint64_t)size;
            d->overflowed++;
            continue;
        }
        head->size = (uint32_t)size;
        admit(d, head, now_ns());
    }
}

static int deliver(struct direction *d) {
    int count = 0;
    struct head *head;
    uint64_t now = now_ns();
    while ((head = oldest(d)) != NULL && head->due_ns <= now) {
        uint64_t late = now - head->due_ns;
        d->late_ns += late;
        d->late_over_1ms += late > 1000000;
        if (late > d->latest_ns)
            d->latest_ns = late;
        if (head->is_lost) {
            d->lost++;
        } else if (write(d->to, head + 1, head->size) == (ssize_t)head->size) {
            d->delivered++;
            d->delivered_bytes += head->size;
        } else {
            d->refused++;
        }
        size_t size = footprint(head);
        d->first += size;
        d->used -= size;
        if ((++count & 15) == 0)
            now = now_ns();
    }
    return count;
}

static void *carry(void *given) {
    struct direction *d = given;
    prctl(PR_SET_NAME, d->name);
    prctl(PR_SET_TIMERSLACK, 1UL);
    while (!atomic_load(&is_over)) {
        uint64_t began = now_ns();
        int moved = take_in(d);
        moved += deliver(d);
        if (moved) {
            uint64_t until = began + TURN_NS;
            struct timespec at = {(time_t)(until / SECOND_NS), (long)(until % SECOND_NS)};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
            continue;
        }
        struct head *head = oldest(d);
        uint64_t now = now_ns();
        long wait = LOOK_NS;
        if (head != NULL)
            wait = head->due_ns <= now ? 0 : (long)(head->due_ns - now);
        struct pollfd ready = {.fd = d->from, .events = POLLIN};
        struct timespec timeout = {0, wait > LOOK_NS ? LOOK_NS : wait};
        ppoll(&ready, 1, &timeout, NULL);
    }
    struct timespec spent;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    d->cpu_ns = (uint64_t)spent.tv_sec * SECOND_NS + (uint64_t)spent.tv_nsec;
    return NULL;
}

static void prepare(struct direction *d, double rate) {
    d->ns_per_byte = 1e9 / rate;
    /* what the delay and the queue can hold, in packets so small that heads weigh as much */
    double held = rate * (double)(d->delay_ns + d->queue_ns) / 1e9;
    d->capacity = ((size_t)(held * 2) + (4u << 20)) & ~(size_t)4095;
    d->ring = mmap(NULL, d->capacity, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (d->ring == MAP_FAILED)
        die("mmap");
}

static void tell(const struct direction *d) {
    uint64_t due = d->delivered + d->lost + d->refused;
    printf("\"%s\": {\"packets\": %llu, \"bytes\": %llu, \"delivered\": %llu, "
           "\"delivered_bytes\": %llu, \"lost\": %llu, \"queue_drops\": %llu, \"refused\": %llu, "
           "\"deepest_queue_us\": %llu, \"mean_late_us\": %llu, \"latest_us\": %llu, "
           "\"late_over_1ms\": %llu, \"cpu_s\": %.3f}",
           d->name, (unsigned long long)d->packets, (unsigned long long)d->bytes,
           (unsigned long long)d->delivered, (unsigned long long)d->delivered_bytes,
           (unsigned long long)d->lost, (unsigned long long)d->overflowed,
           (unsigned long long)d->refused, (unsigned long long)d->deepest_ns / 1000,
           (unsigned long long)(due ? d->late_ns / due / 1000 : 0),
           (unsigned long long)d->latest_ns / 1000, (unsigned long long)d->late_over_1ms,
           (double)d->cpu_ns / 1e9);
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "link: NEAR FAR DEVICE RATE DELAY_US QUEUE_US LOSS_PPM SEED\n");
        return 2;
    }
    double rate = atof(argv[4]), loss = atof(argv[7]) / 1e6;
    uint64_t delay_ns = strtoull(argv[5], NULL, 10) * 1000;
    uint64_t queue_ns = strtoull(argv[6], NULL, 10) * 1000;
    if (rate <= 0 || loss < 0 || loss >= 1) {
        fprintf(stderr, "link: the rate is above 0 and the loss below a million\n");
        return 2;
    }
    int near = device(argv[1], argv[3]), far = device(argv[2], argv[3]);
    struct direction there = {.name = "there", .from = near, .to = far, .delay_ns = delay_ns,
                              .queue_ns = queue_ns, .loss = (uint64_t)(loss * 18446744073709551615.0),
                              .random = strtoull(argv[8], NULL, 10)};
    struct direction back = {.name = "back", .from = far, .to = near, .delay_ns = delay_ns,
                             .queue_ns = queue_ns};
    prepare(&there, rate);
    prepare(&back, rate);
    /* a link that waits for its turn behind what it measures is another link */
    setpriority(PRIO_PROCESS, 0, -19);
    printf("ready\n");
    fflush(stdout);
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, carry, &there);
    pthread_create(&threads[1], NULL, carry, &back);
    char byte;
    while (read(0, &byte, 1) > 0 || errno == EINTR)
        continue;
    atomic_store(&is_over, 1);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    printf("{");
    tell(&there);
    printf(", ");
    tell(&back);
    printf("}\n");
    return 0;
}
