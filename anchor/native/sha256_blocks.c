#include "sha256_blocks.h"

#include <stdlib.h>

#if defined(__unix__) || defined(__APPLE__)
#define HAVE_THREADS 1
#include <pthread.h>
#include <signal.h>
#endif

#define PAIR ((size_t)2 * SHA256_SIZE)

/* The most threads of one call, whatever the number of cores. */
#define MAX_THREADS 64

/* The most bytes of a block of rows, unless it has no more rows than lanes. */
#define MAX_BLOCK_BYTES ((size_t)1 << 17)

static size_t smaller(size_t x, size_t y)
{
    return x < y ? x : y;
}

/* ---- blocks on threads ----------------------------------------------------------------------- */

/* Hash block number `block` of a job, on thread number `thread`. */
typedef void hash_block(const void *job, size_t block, size_t thread);

static size_t limit_threads(struct sha256_cut cut, size_t blocks)
{
    return smaller(smaller(cut.threads, MAX_THREADS), blocks);
}

static void hash_alone(hash_block *hash, const void *job, size_t blocks)
{
    for (size_t block = 0; block < blocks; block++)
        hash(job, block, 0);
}

#if HAVE_THREADS

/* Blocks that each go to the next thread that is free. */
struct queue {
    hash_block *hash;
    const void *job;
    size_t blocks;
    size_t next;
    pthread_mutex_t lock; /* of `next` */
};

struct worker {
    struct queue *queue;
    size_t number;
    pthread_t thread;
};

static size_t take_block(struct queue *queue)
{
    size_t block;

    pthread_mutex_lock(&queue->lock);
    block = queue->next;
    if (block < queue->blocks)
        queue->next++;
    pthread_mutex_unlock(&queue->lock);
    return block;
}

static void *work(void *argument)
{
    const struct worker *worker = argument;
    struct queue *queue = worker->queue;
    size_t block;

    while ((block = take_block(queue)) < queue->blocks)
        queue->hash(queue->job, block, worker->number);
    return NULL;
}

static void hash_blocks(hash_block *hash, const void *job, size_t blocks, struct sha256_cut cut)
{
    struct queue queue = {.hash = hash, .job = job, .blocks = blocks};
    struct worker workers[MAX_THREADS];
    size_t threads = limit_threads(cut, blocks), count;
    sigset_t all, before;

    if (threads < 2 || pthread_mutex_init(&queue.lock, NULL) != 0) {
        hash_alone(hash, job, blocks);
        return;
    }
    /* Signals are for the threads of the program: the new ones inherit that none is theirs. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (count = 1; count < threads; count++) {
        workers[count].queue = &queue;
        workers[count].number = count;
        if (pthread_create(&workers[count].thread, NULL, work, &workers[count]) != 0)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    workers[0].queue = &queue; /* the caller */
    workers[0].number = 0;
    work(&workers[0]);
    while (count > 1)
        pthread_join(workers[--count].thread, NULL);
    pthread_mutex_destroy(&queue.lock);
}

#else

static void hash_blocks(hash_block *hash, const void *job, size_t blocks, struct sha256_cut cut)
{
    (void)cut;
    hash_alone(hash, job, blocks);
}

#endif

/* ---- rows ------------------------------------------------------------------------------------ */

struct rows_job {
    const struct sha256_implementation *implementation;
    uint8_t prefix;
    const uint8_t *rows;
    size_t count, width, block;
    uint8_t *digests;
};

static void hash_rows_block(const void *argument, size_t block, size_t thread)
{
    const struct rows_job *job = argument;
    size_t first = block * job->block;

    (void)thread;
    sha256_rows(job->implementation, job->prefix, job->rows + first * job->width,
                smaller(job->block, job->count - first), job->width,
                job->digests + first * SHA256_SIZE);
}

void sha256_rows_cut(const struct sha256_implementation *implementation, struct sha256_cut cut,
                     uint8_t prefix, const uint8_t *rows, size_t count, size_t width,
                     uint8_t *digests)
{
    struct rows_job job = {implementation, prefix, rows, count, width, 0, digests};

    job.block = smaller((size_t)1 << cut.height, MAX_BLOCK_BYTES / width);
    if (job.block < SHA256_MAX_LANES)
        job.block = SHA256_MAX_LANES;
    hash_blocks(hash_rows_block, &job, count / job.block + (count % job.block != 0), cut);
}

/* ---- all levels ------------------------------------------------------------------------------ */

struct levels_job {
    const struct sha256_implementation *implementation;
    const uint8_t *nodes;
    size_t count;
    unsigned block_height;
    uint8_t *const *levels;
    size_t height; /* at most block_height */
};

static void fill_block(const void *argument, size_t block, size_t thread)
{
    const struct levels_job *job = argument;
    size_t first = block << job->block_height;
    size_t count = smaller((size_t)1 << job->block_height, job->count - first);
    const uint8_t *below = job->nodes + first * SHA256_SIZE;

    (void)thread;
    for (size_t i = 0; i < job->height; i++) {
        uint8_t *level;
        first /= 2; /* without a remainder: a block starts at a multiple of 2^block_height */
        count /= 2;
        level = job->levels[i] + first * SHA256_SIZE;
        sha256_rows(job->implementation, 1, below, count, PAIR, level);
        below = level;
    }
}

void sha256_levels(const struct sha256_implementation *implementation, struct sha256_cut cut,
                   const uint8_t *nodes, size_t count, uint8_t *const *levels, size_t height)
{
    /* The roots of the blocks are the leaves of the tree above them. */
    while (height) {
        size_t part = smaller(height, cut.height);
        struct levels_job job = {implementation, nodes, count, cut.height, levels, part};
        size_t mask = ((size_t)1 << cut.height) - 1;

        hash_blocks(fill_block, &job, (count >> cut.height) + ((count & mask) != 0), cut);
        nodes = levels[part - 1];
        count >>= part;
        levels += part;
        height -= part;
    }
}

/* ---- the roots of subtrees ------------------------------------------------------------------- */

struct subtrees_job {
    const struct sha256_implementation *implementation;
    const uint8_t *nodes;
    size_t count; /* whole subtrees */
    unsigned block_height, height;
    uint8_t *roots;
    uint8_t *scratch; /* of each thread, for the two levels in work */
};

static size_t scratch_size(unsigned block_height)
{
    size_t leaves = (size_t)1 << block_height;

    return (leaves / 2 + leaves / 4) * SHA256_SIZE;
}

static void climb_block(const void *argument, size_t block, size_t thread)
{
    const struct subtrees_job *job = argument;
    size_t first = block << job->block_height;
    size_t count = smaller((size_t)1 << job->block_height, job->count - first);
    uint8_t *scratch = job->scratch + thread * scratch_size(job->block_height);
    uint8_t *levels[2] = {scratch, scratch + ((size_t)1 << job->block_height) / 2 * SHA256_SIZE};
    const uint8_t *below = job->nodes + first * SHA256_SIZE;

    for (unsigned i = 1; i <= job->height; i++) {
        uint8_t *level = levels[1 - i % 2];
        count /= 2;
        if (i == job->height)
            level = job->roots + (first >> job->height) * SHA256_SIZE;
        sha256_rows(job->implementation, 1, below, count, PAIR, level);
        below = level;
    }
}

int sha256_subtrees(const struct sha256_implementation *implementation, struct sha256_cut cut,
                    const uint8_t *nodes, size_t count, unsigned height, uint8_t *roots)
{
    struct subtrees_job job = {implementation, nodes, count, cut.height, height, roots, NULL};
    size_t mask = ((size_t)1 << cut.height) - 1, blocks;

    job.count = count >> height << height;
    blocks = (job.count >> cut.height) + ((job.count & mask) != 0);
    if (blocks == 0)
        return 0;
    job.scratch = malloc(limit_threads(cut, blocks) * scratch_size(cut.height));
    if (job.scratch == NULL)
        return -1;
    hash_blocks(climb_block, &job, blocks, cut);
    free(job.scratch);
    return 0;
}
