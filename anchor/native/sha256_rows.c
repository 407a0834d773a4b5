#include "sha256_rows.h"

#include <string.h>

/* Function attributes give single functions more instructions than the file is compiled for, which
 * only GCC and clang can (clang for ARM since 16); every other compiler gets the portable code. */
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define HAVE_X86 1
#include <cpuid.h>
#include <immintrin.h>
#elif (defined(__GNUC__) || defined(__clang__)) && defined(__AARCH64EL__)
#if defined(__ARM_FEATURE_SHA2) || defined(__ARM_FEATURE_CRYPTO)
#define HAVE_ARMV8 1 /* the whole file is compiled for them, as on macOS */
#define SHA2
#elif defined(__linux__) && defined(__clang__) && __clang_major__ >= 16
#define HAVE_ARMV8 1
#define SHA2 __attribute__((target("sha2")))
#elif defined(__linux__) && !defined(__clang__)
#define HAVE_ARMV8 1
#define SHA2 __attribute__((target("+crypto")))
#endif
#if HAVE_ARMV8
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif
#endif

#if defined(__GNUC__) || defined(__clang__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const uint32_t INITIAL[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* A node of a Merkle tree is the hash of 65 bytes: a prefix and two hashes.  All but the last byte
 * are in the first block, so the second has 256 forms.  For each, here is what its rounds add: K
 * plus the message schedule.  Computed once, it saves a quarter of the time of a tree. */
#define NODE_WIDTH (2 * SHA256_SIZE)
static uint32_t node_tail[256][64];

static inline uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void store_be32(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)(x >> 16);
    p[2] = (uint8_t)(x >> 8);
    p[3] = (uint8_t)x;
}

/* ---- messages as blocks ---------------------------------------------------------------------- */

/* The prefix, the row, 0x80 and eight bytes of length, in blocks of 64 bytes. */
static inline size_t block_count(size_t width)
{
    return width / 64 + (width % 64 <= 54 ? 1 : 2);
}

/* Return where block `index` of a message stands, putting it into `scratch` unless it is in the
 * row as it is.  Never reads outside of the row. */
static inline const uint8_t *find_block(uint8_t scratch[64], uint8_t prefix, const uint8_t *row,
                                        size_t width, size_t index)
{
    size_t from = index ? 64 * index - 1 : 0; /* in the row: the prefix pushes it on by a byte */
    size_t at = index ? 0 : 1;                /* in the block */
    size_t here = from < width ? width - from : 0;

    if (index && here >= 64)
        return row + from;
    memset(scratch, 0, 64);
    if (!index)
        scratch[0] = prefix;
    if (here > 64 - at)
        here = 64 - at;
    if (here)
        memcpy(scratch + at, row + from, here);
    if (index == (width + 1) / 64)
        scratch[(width + 1) % 64] = 0x80;
    if (index + 1 == block_count(width)) {
        uint64_t bits = ((uint64_t)width + 1) * 8;
        store_be32(scratch + 56, (uint32_t)(bits >> 32));
        store_be32(scratch + 60, (uint32_t)bits);
    }
    return scratch;
}

/* ---- portable -------------------------------------------------------------------------------- */

static inline uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* Set `sums` to K plus the message schedule of a block. */
static void schedule(uint32_t sums[64], const uint8_t block[64])
{
    uint32_t w[64];

    for (int i = 0; i < 16; i++)
        w[i] = load_be32(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[i - 7] +
               (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
    }
    for (int i = 0; i < 64; i++)
        sums[i] = K[i] + w[i];
}

#define ROUND(a, b, c, d, e, f, g, h, sum)                                                         \
    do {                                                                                           \
        h += (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + (sum);         \
        d += h;                                                                                    \
        h += (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));           \
    } while (0)

static void compress(uint32_t state[8], const uint32_t sums[64])
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

    for (int i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, sums[i]);
        ROUND(h, a, b, c, d, e, f, g, sums[i + 1]);
        ROUND(g, h, a, b, c, d, e, f, sums[i + 2]);
        ROUND(f, g, h, a, b, c, d, e, sums[i + 3]);
        ROUND(e, f, g, h, a, b, c, d, sums[i + 4]);
        ROUND(d, e, f, g, h, a, b, c, sums[i + 5]);
        ROUND(c, d, e, f, g, h, a, b, sums[i + 6]);
        ROUND(b, c, d, e, f, g, h, a, sums[i + 7]);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static int always(void)
{
    return 1;
}

static void hash_portable(uint8_t prefix, const uint8_t *const *rows, size_t width,
                          uint8_t *const *digests)
{
    uint32_t state[8], sums[64];
    uint8_t scratch[64];

    memcpy(state, INITIAL, sizeof state);
    for (size_t index = 0; index < block_count(width); index++) {
        if (index == 1 && width == NODE_WIDTH) {
            compress(state, node_tail[rows[0][63]]);
        } else {
            schedule(sums, find_block(scratch, prefix, rows[0], width, index));
            compress(state, sums);
        }
    }
    for (int i = 0; i < 8; i++)
        store_be32(digests[0] + 4 * i, state[i]);
}

static void hash_blocks_portable(const uint8_t *const *messages, size_t count,
                                 uint8_t *const *digests)
{
    uint32_t state[8], sums[64];

    memcpy(state, INITIAL, sizeof state);
    for (size_t index = 0; index < count; index++) {
        schedule(sums, messages[0] + 64 * index);
        compress(state, sums);
    }
    for (int i = 0; i < 8; i++)
        store_be32(digests[0] + 4 * i, state[i]);
}

/* ---- SHA-256 instructions of x86 and ARM: four rows at once ---------------------------------- */

#if HAVE_X86

#define SHA2 __attribute__((target("sha,ssse3,sse4.1")))
typedef __m128i vector; /* four words, the first in the lowest place */

/* The eight words of the state, in the order that the instructions want. */
struct state {
    vector abef, cdgh;
};
static const uint32_t SHA2_INITIAL[2][4] = {
    {0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667}, /* f e b a */
    {0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372}, /* h g d c */
};

/* Found once: in a virtual machine, asking the processor can take as long as hundreds of nodes. */
static int has_sha_ni;

static void find_sha_ni(void)
{
    unsigned a, b, c, d;

    has_sha_ni = __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1") &&
                 __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
}

static int usable_sha_ni(void)
{
    return has_sha_ni;
}

SHA2 INLINE vector load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

SHA2 INLINE vector add(vector x, vector y)
{
    return _mm_add_epi32(x, y);
}

SHA2 INLINE vector only(uint32_t first)
{
    return _mm_cvtsi32_si128((int)first);
}

SHA2 INLINE vector swap(vector x)
{
    return _mm_shuffle_epi8(x, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

/* The byte, then the first 15 of x. */
SHA2 INLINE vector shift_in(uint8_t byte, vector x)
{
    return _mm_alignr_epi8(x, _mm_set1_epi8((char)byte), 15);
}

SHA2 INLINE void four_rounds(struct state *s, vector sums)
{
    s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, sums);
    s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(sums, 0x0e));
}

/* The four words of the schedule that come after these 16. */
SHA2 INLINE vector next_words(vector w0, vector w1, vector w2, vector w3)
{
    vector sum = add(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    return _mm_sha256msg2_epu32(sum, w3);
}

SHA2 INLINE struct state start(void)
{
    return (struct state){load(SHA2_INITIAL[0]), load(SHA2_INITIAL[1])};
}

SHA2 INLINE struct state sum(struct state s, struct state t)
{
    return (struct state){add(s.abef, t.abef), add(s.cdgh, t.cdgh)};
}

SHA2 INLINE void store(uint8_t digest[SHA256_SIZE], struct state s)
{
    vector reverse = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    vector dcba = _mm_unpackhi_epi64(s.cdgh, s.abef), hgfe = _mm_unpacklo_epi64(s.cdgh, s.abef);

    _mm_storeu_si128((__m128i *)(void *)digest, _mm_shuffle_epi8(dcba, reverse));
    _mm_storeu_si128((__m128i *)(void *)(digest + 16), _mm_shuffle_epi8(hgfe, reverse));
}

#elif HAVE_ARMV8

typedef uint32x4_t vector;

struct state {
    vector abcd, efgh;
};

static int usable_armv8(void)
{
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0;
#else
    return 1;
#endif
}

SHA2 INLINE vector load(const void *p)
{
    return vreinterpretq_u32_u8(vld1q_u8((const uint8_t *)p));
}

SHA2 INLINE vector add(vector x, vector y)
{
    return vaddq_u32(x, y);
}

SHA2 INLINE vector only(uint32_t first)
{
    return vsetq_lane_u32(first, vdupq_n_u32(0), 0);
}

SHA2 INLINE vector swap(vector x)
{
    return vreinterpretq_u32_u8(vrev32q_u8(vreinterpretq_u8_u32(x)));
}

/* The byte, then the first 15 of x. */
SHA2 INLINE vector shift_in(uint8_t byte, vector x)
{
    return vreinterpretq_u32_u8(vextq_u8(vdupq_n_u8(byte), vreinterpretq_u8_u32(x), 15));
}

SHA2 INLINE void four_rounds(struct state *s, vector sums)
{
    vector abcd = s->abcd;

    s->abcd = vsha256hq_u32(abcd, s->efgh, sums);
    s->efgh = vsha256h2q_u32(s->efgh, abcd, sums);
}

/* The four words of the schedule that come after these 16. */
SHA2 INLINE vector next_words(vector w0, vector w1, vector w2, vector w3)
{
    return vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3);
}

SHA2 INLINE struct state start(void)
{
    return (struct state){load(INITIAL), load(INITIAL + 4)};
}

SHA2 INLINE struct state sum(struct state s, struct state t)
{
    return (struct state){add(s.abcd, t.abcd), add(s.efgh, t.efgh)};
}

SHA2 INLINE void store(uint8_t digest[SHA256_SIZE], struct state s)
{
    vst1q_u8(digest, vreinterpretq_u8_u32(swap(s.abcd)));
    vst1q_u8(digest + 16, vreinterpretq_u8_u32(swap(s.efgh)));
}

#endif

#ifdef SHA2

struct words {
    vector w0, w1, w2, w3;
};

SHA2 INLINE struct words load_block(const uint8_t block[64])
{
    return (struct words){swap(load(block)), swap(load(block + 16)), swap(load(block + 32)),
                          swap(load(block + 48))};
}

SHA2 INLINE struct words load_words(uint8_t prefix, const uint8_t *row, size_t width, size_t index)
{
    static const uint32_t HASH_LENGTH[4] = {0, 0, 0, (1 + SHA256_SIZE) * 8};
    uint8_t scratch[64];

    /* The two commonest blocks straight from the row: stored into scratch byte by byte and loaded
     * again in vectors, the processor would have to wait for them. */
    if (index == 0 && width >= 63)
        return (struct words){swap(shift_in(prefix, load(row))), swap(load(row + 15)),
                              swap(load(row + 31)), swap(load(row + 47))};
    if (width == SHA256_SIZE)
        return (struct words){swap(shift_in(prefix, load(row))), swap(load(row + 15)),
                              only((uint32_t)row[31] << 24 | 0x800000), load(HASH_LENGTH)};
    return load_block(find_block(scratch, prefix, row, width, index));
}

/* Four rounds on two rows and, while words are still to come, the schedule's next four.  A round
 * waits for the one before it: the second row fills that time. */
#define TWO_STEPS(i, w0, w1, w2, w3, more)                                                         \
    do {                                                                                           \
        vector k = load(K + 4 * (i));                                                              \
        four_rounds(&s, add(x.w0, k));                                                             \
        four_rounds(&t, add(y.w0, k));                                                             \
        if (more) {                                                                                \
            x.w0 = next_words(x.w0, x.w1, x.w2, x.w3);                                             \
            y.w0 = next_words(y.w0, y.w1, y.w2, y.w3);                                             \
        }                                                                                          \
    } while (0)

SHA2 INLINE void compress_two(struct state states[2], struct words x, struct words y)
{
    struct state s = states[0], t = states[1];

#pragma GCC unroll 3
    for (int i = 0; i < 12; i += 4) {
        TWO_STEPS(i, w0, w1, w2, w3, 1);
        TWO_STEPS(i + 1, w1, w2, w3, w0, 1);
        TWO_STEPS(i + 2, w2, w3, w0, w1, 1);
        TWO_STEPS(i + 3, w3, w0, w1, w2, 1);
    }
    TWO_STEPS(12, w0, w1, w2, w3, 0);
    TWO_STEPS(13, w1, w2, w3, w0, 0);
    TWO_STEPS(14, w2, w3, w0, w1, 0);
    TWO_STEPS(15, w3, w0, w1, w2, 0);
    states[0] = sum(states[0], s);
    states[1] = sum(states[1], t);
}

/* The second block of four nodes.  Without a schedule there are registers for four rows at once,
 * and a tree takes a seventh less time than with twice two. */
SHA2 INLINE void compress_tails(struct state states[4], const uint8_t *const *rows)
{
    const uint32_t *sums0 = node_tail[rows[0][63]], *sums1 = node_tail[rows[1][63]];
    const uint32_t *sums2 = node_tail[rows[2][63]], *sums3 = node_tail[rows[3][63]];
    struct state s0 = states[0], s1 = states[1], s2 = states[2], s3 = states[3];

    for (int i = 0; i < 64; i += 4) {
        four_rounds(&s0, load(sums0 + i));
        four_rounds(&s1, load(sums1 + i));
        four_rounds(&s2, load(sums2 + i));
        four_rounds(&s3, load(sums3 + i));
    }
    states[0] = sum(states[0], s0);
    states[1] = sum(states[1], s1);
    states[2] = sum(states[2], s2);
    states[3] = sum(states[3], s3);
}

SHA2 static void hash_sha2(uint8_t prefix, const uint8_t *const *rows, size_t width,
                           uint8_t *const *digests)
{
    struct state states[4] = {start(), start(), start(), start()};

    for (size_t index = 0; index < block_count(width); index++) {
        if (index == 1 && width == NODE_WIDTH)
            compress_tails(states, rows);
        else
#pragma GCC unroll 2
            for (int lane = 0; lane < 4; lane += 2)
                compress_two(states + lane, load_words(prefix, rows[lane], width, index),
                             load_words(prefix, rows[lane + 1], width, index));
    }
#pragma GCC unroll 4
    for (int lane = 0; lane < 4; lane++)
        store(digests[lane], states[lane]);
}

SHA2 static void hash_blocks_sha2(const uint8_t *const *messages, size_t count,
                                  uint8_t *const *digests)
{
    for (int lane = 0; lane < 4; lane += 2) {
        const uint8_t *one = messages[lane], *other = messages[lane + 1];
        struct state states[2] = {start(), start()};
        for (size_t at = 0; at < 64 * count; at += 64)
            compress_two(states, load_block(one + at), load_block(other + at));
        store(digests[lane], states[0]);
        store(digests[lane + 1], states[1]);
    }
}

#endif

/* ---- x86: AVX2, eight rows at once ----------------------------------------------------------- */

#if HAVE_X86

#define AVX2 __attribute__((target("avx2")))

static int usable_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

/* Turn eight rows of eight words into columns. */
AVX2 INLINE void transpose(__m256i x[8])
{
    __m256i y[8], z[8];

    for (int i = 0; i < 8; i += 2) {
        y[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        z[i] = _mm256_unpacklo_epi64(y[i], y[i + 2]);
        z[i + 1] = _mm256_unpackhi_epi64(y[i], y[i + 2]);
        z[i + 2] = _mm256_unpacklo_epi64(y[i + 1], y[i + 3]);
        z[i + 3] = _mm256_unpackhi_epi64(y[i + 1], y[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        x[i] = _mm256_permute2x128_si256(z[i], z[i + 4], 0x20);
        x[i + 4] = _mm256_permute2x128_si256(z[i], z[i + 4], 0x31);
    }
}

AVX2 INLINE __m256i swap8(__m256i x)
{
    return _mm256_shuffle_epi8(x, _mm256_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203,
                                                    0x0c0d0e0f08090a0b, 0x0405060700010203));
}

#define ADD(x, y) _mm256_add_epi32(x, y)
#define XOR(x, y) _mm256_xor_si256(x, y)
#define AND(x, y) _mm256_and_si256(x, y)
#define OR(x, y) _mm256_or_si256(x, y)
#define SHIFT(x, n) _mm256_srli_epi32(x, n)
#define ROTATE(x, n) OR(_mm256_srli_epi32(x, n), _mm256_slli_epi32(x, 32 - (n)))
#define SIGMA(x, i, j, k) XOR(XOR(ROTATE(x, i), ROTATE(x, j)), k)

/* One round on each of eight rows. */
#define EIGHT_ROUNDS(a, b, c, d, e, f, g, h, i)                                                    \
    do {                                                                                           \
        __m256i sums = ADD(w[(i) % 16], _mm256_set1_epi32((int)K[i]));                             \
        h = ADD(ADD(h, sums), ADD(SIGMA(e, 6, 11, ROTATE(e, 25)), XOR(g, AND(e, XOR(f, g)))));     \
        d = ADD(d, h);                                                                             \
        h = ADD(h, ADD(SIGMA(a, 2, 13, ROTATE(a, 22)), OR(AND(a, b), AND(c, OR(a, b)))));          \
    } while (0)

AVX2 INLINE void compress_eight(__m256i state[8], __m256i w[16])
{
    __m256i a = state[0], b = state[1], c = state[2], d = state[3];
    __m256i e = state[4], f = state[5], g = state[6], h = state[7];

    for (int i = 0; i < 64; i += 8) {
        if (i >= 16)
            for (int j = i; j < i + 8; j++) {
                __m256i x = w[(j - 15) % 16], y = w[(j - 2) % 16];
                w[j % 16] = ADD(ADD(w[j % 16], SIGMA(x, 7, 18, SHIFT(x, 3))),
                                ADD(w[(j - 7) % 16], SIGMA(y, 17, 19, SHIFT(y, 10))));
            }
        EIGHT_ROUNDS(a, b, c, d, e, f, g, h, i);
        EIGHT_ROUNDS(h, a, b, c, d, e, f, g, i + 1);
        EIGHT_ROUNDS(g, h, a, b, c, d, e, f, i + 2);
        EIGHT_ROUNDS(f, g, h, a, b, c, d, e, i + 3);
        EIGHT_ROUNDS(e, f, g, h, a, b, c, d, i + 4);
        EIGHT_ROUNDS(d, e, f, g, h, a, b, c, i + 5);
        EIGHT_ROUNDS(c, d, e, f, g, h, a, b, i + 6);
        EIGHT_ROUNDS(b, c, d, e, f, g, h, a, i + 7);
    }
    state[0] = ADD(state[0], a), state[1] = ADD(state[1], b);
    state[2] = ADD(state[2], c), state[3] = ADD(state[3], d);
    state[4] = ADD(state[4], e), state[5] = ADD(state[5], f);
    state[6] = ADD(state[6], g), state[7] = ADD(state[7], h);
}

AVX2 static void hash_avx2(uint8_t prefix, const uint8_t *const *rows, size_t width,
                           uint8_t *const *digests)
{
    __m256i state[8], w[16];
    uint8_t scratch[64];

    for (int i = 0; i < 8; i++)
        state[i] = _mm256_set1_epi32((int)INITIAL[i]);
    for (size_t index = 0; index < block_count(width); index++) {
        for (int lane = 0; lane < 8; lane++) {
            const uint8_t *block = find_block(scratch, prefix, rows[lane], width, index);
            w[lane] = swap8(_mm256_loadu_si256((const __m256i *)(const void *)block));
            w[lane + 8] = swap8(_mm256_loadu_si256((const __m256i *)(const void *)(block + 32)));
        }
        transpose(w);
        transpose(w + 8);
        compress_eight(state, w);
    }
    transpose(state);
    for (int lane = 0; lane < 8; lane++)
        _mm256_storeu_si256((__m256i *)(void *)digests[lane], swap8(state[lane]));
}

AVX2 static void hash_blocks_avx2(const uint8_t *const *messages, size_t count,
                                  uint8_t *const *digests)
{
    __m256i state[8], w[16];

    for (int i = 0; i < 8; i++)
        state[i] = _mm256_set1_epi32((int)INITIAL[i]);
    for (size_t index = 0; index < count; index++) {
        for (int lane = 0; lane < 8; lane++) {
            const uint8_t *block = messages[lane] + 64 * index;
            w[lane] = swap8(_mm256_loadu_si256((const __m256i *)(const void *)block));
            w[lane + 8] = swap8(_mm256_loadu_si256((const __m256i *)(const void *)(block + 32)));
        }
        transpose(w);
        transpose(w + 8);
        compress_eight(state, w);
    }
    transpose(state);
    for (int lane = 0; lane < 8; lane++)
        _mm256_storeu_si256((__m256i *)(void *)digests[lane], swap8(state[lane]));
}

#endif

/* ---- choice and rows ------------------------------------------------------------------------- */

const struct sha256_implementation sha256_implementations[] = {
#if HAVE_X86
    {"sha-ni", 4, usable_sha_ni, hash_sha2, hash_blocks_sha2},
    {"avx2", 8, usable_avx2, hash_avx2, hash_blocks_avx2},
#elif HAVE_ARMV8
    {"armv8", 4, usable_armv8, hash_sha2, hash_blocks_sha2},
#endif
    {"portable", 1, always, hash_portable, hash_blocks_portable},
    {NULL, 0, NULL, NULL, NULL},
};

void sha256_prepare(void)
{
    static int prepared;
    uint8_t row[NODE_WIDTH] = {0}, scratch[64];

    if (prepared)
        return; /* others may be reading */
#if HAVE_X86
    find_sha_ni();
#endif
    for (unsigned last = 0; last < 256; last++) {
        row[63] = (uint8_t)last;
        schedule(node_tail[last], find_block(scratch, 0, row, NODE_WIDTH, 1));
    }
    prepared = 1;
}

void sha256_rows(const struct sha256_implementation *implementation, uint8_t prefix,
                 const uint8_t *rows, size_t count, size_t width, uint8_t *digests)
{
    const uint8_t *from[SHA256_MAX_LANES];
    uint8_t *to[SHA256_MAX_LANES];

    for (size_t i = 0; i < count; i += implementation->lanes) {
        for (size_t lane = 0; lane < implementation->lanes; lane++) {
            /* lanes without a row do the last one again, into the same place */
            size_t row = lane < count - i ? i + lane : count - 1;
            from[lane] = rows + row * width;
            to[lane] = digests + row * SHA256_SIZE;
        }
        implementation->hash(prefix, from, width, to);
    }
}

static void hash_lanes(const struct sha256_implementation *implementation,
                       struct sha256_lanes *lanes, size_t blocks)
{
    /* lanes without a message do the last one again, into the same place */
    for (size_t lane = lanes->count; lane < implementation->lanes; lane++) {
        lanes->messages[lane] = lanes->messages[lanes->count - 1];
        lanes->digests[lane] = lanes->digests[lanes->count - 1];
    }
    implementation->hash_blocks(lanes->messages, blocks, lanes->digests);
    lanes->count = 0;
}

void sha256_queue_add(struct sha256_queue *queue, uint8_t *message, size_t size, uint8_t *digest)
{
    size_t padded = SHA256_PADDED(size), blocks = padded / 64;
    uint64_t bits = (uint64_t)size * 8;
    struct sha256_lanes alone = {0}, *lanes = &alone;

    message[size] = 0x80;
    memset(message + size + 1, 0, padded - 8 - (size + 1));
    store_be32(message + padded - 8, (uint32_t)(bits >> 32));
    store_be32(message + padded - 4, (uint32_t)bits);
    if (blocks <= SHA256_MAX_WAITING)
        lanes = &queue->waiting[blocks - 1];
    lanes->messages[lanes->count] = message;
    lanes->digests[lanes->count++] = digest;
    if (lanes == &alone || lanes->count == queue->implementation->lanes)
        hash_lanes(queue->implementation, lanes, blocks);
}

void sha256_queue_flush(struct sha256_queue *queue)
{
    for (size_t i = 0; i < SHA256_MAX_WAITING; i++)
        if (queue->waiting[i].count)
            hash_lanes(queue->implementation, &queue->waiting[i], i + 1);
}
