// CRC-32C (Castagnoli) in WebAssembly SIMD. Compiled by build.ts to src/compression/crc32c-module.ts; see README.md.
//
// Idea ("Chorba": sparse multiples instead of tables or carry-less multiplication, which WebAssembly lacks):
// when x^d1 + x^d2 + ... + 1 is a multiple of the polynomial, a message byte may be replaced by copies of itself d1, d2, ... bytes
// further on without changing the remainder. Moving every byte of a long message forward that way takes only XORs of whole 16-byte
// vectors, and leaves a short message with the same CRC. Distances are byte counts; the search for them takes a second (README.md):
//
//   far  (weight 4): 767, 2524, 5275           3 loads per vector; needs a tail of >= 5275 bytes
//   near (weight 6): 65, 155, 170, 195, 209    5 loads per vector; needs a tail of >= 209 bytes
//
//   long message --far--> ~5.3 KiB --near--> ~210 bytes --slicing-16 tables--> CRC
//
// A fold may write a block as soon as its shortest distance is not less than the block: 64 < 767 and 32 < 65.
// The initial register (all ones) is XORed into the first four bytes, which is the same thing.
#include <wasm_simd128.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EXPORT(name) __attribute__((export_name(name)))
#define ALIGNED __attribute__((aligned(64)))

#define CHUNK 32768     // bytes per `fold`: message, history and scratch stay in the L2 cache
#define FAR 5275        // longest far distance
#define FAR_HISTORY 5376 // bytes kept before a chunk: FAR rounded up to a multiple of 64
#define NEAR 209        // longest near distance
#define NEAR_HISTORY 256
#define NEAR_FROM 384   // below this the tables win
#define FAR_FROM 9472   // below this near folding alone wins

static u32 table[16][256];
static u8 message[FAR_HISTORY + 2 * CHUNK + 128] ALIGNED; // [history of the chunk before][up to two chunks]
static u8 folded[NEAR_HISTORY + FAR_FROM + 256] ALIGNED;  // [zeros][what far folding leaves, or a message below FAR_FROM]
static u8 rest[512] ALIGNED;                              // what near folding leaves

#define LOAD(p) wasm_v128_load(p)
#define STORE(p, v) wasm_v128_store(p, v)
#define XOR(a, b) wasm_v128_xor(a, b)
// What position p receives from before. The vector at p itself is XORed in by the caller.
#define FROM_FAR(p) XOR(LOAD((p) - 767), XOR(LOAD((p) - 2524), LOAD((p) - 5275)))
#define FROM_NEAR(p) XOR(XOR(XOR(LOAD((p) - 65), LOAD((p) - 155)), XOR(LOAD((p) - 170), LOAD((p) - 195))), LOAD((p) - 209))

static inline void copy(u8 *to, const u8 *from, u32 size) {
  u32 i = 0;
  for (; i + 16 <= size; i += 16) STORE(to + i, LOAD(from + i));
  for (; i < size; i++) to[i] = from[i];
}

static inline void zero(u8 *at, u32 size) {
  const v128_t none = wasm_i32x4_splat(0);
  u32 i = 0;
  for (; i + 16 <= size; i += 16) STORE(at + i, none);
  for (; i < size; i++) at[i] = 0;
}

static u32 by_tables(u32 crc, const u8 *p, u32 size) {
  for (; size >= 16; p += 16, size -= 16) {
    const u64 low = *(const u64 *)p, high = *(const u64 *)(p + 8);
    const u32 a = (u32)low ^ crc, b = (u32)(low >> 32), c = (u32)high, d = (u32)(high >> 32);
    crc = table[15][a & 255] ^ table[14][(a >> 8) & 255] ^ table[13][(a >> 16) & 255] ^ table[12][a >> 24] ^
          table[11][b & 255] ^ table[10][(b >> 8) & 255] ^ table[9][(b >> 16) & 255] ^ table[8][b >> 24] ^
          table[7][c & 255] ^ table[6][(c >> 8) & 255] ^ table[5][(c >> 16) & 255] ^ table[4][c >> 24] ^
          table[3][d & 255] ^ table[2][(d >> 8) & 255] ^ table[1][(d >> 16) & 255] ^ table[0][d >> 24];
  }
  while (size--) crc = (crc >> 8) ^ table[0][(crc ^ *p++) & 255];
  return crc;
}

// CRC register after the `size` bytes of `folded`, the initial register being in them already.
static u32 fold_near(u32 size) {
  u8 *p = folded + NEAR_HISTORY;
  if (size < NEAR_FROM) return by_tables(0, p, size);
  zero(folded, NEAR_HISTORY);
  const u32 moved = ((size - NEAR) >> 5) << 5;
  for (u32 i = 0; i < moved; i += 32) {
    const v128_t a = XOR(LOAD(p + i), FROM_NEAR(p + i));
    const v128_t b = XOR(LOAD(p + i + 16), FROM_NEAR(p + i + 16));
    STORE(p + i, a);
    STORE(p + i + 16, b);
  }
  // The last NEAR..NEAR+31 bytes only receive: take them away, so that nothing is received from among them.
  const u32 left = size - moved;
  u8 *q = p + moved;
  copy(rest, q, left);
  zero(q, left + 16);
  for (u32 i = 0; i < left; i += 16) STORE(rest + i, XOR(LOAD(rest + i), FROM_NEAR(q + i)));
  return by_tables(0, rest, left);
}

static inline void move_far(u8 *p, u32 size) {
  for (u32 i = 0; i < size; i += 64) {
    const v128_t a = XOR(LOAD(p + i), FROM_FAR(p + i));
    const v128_t b = XOR(LOAD(p + i + 16), FROM_FAR(p + i + 16));
    const v128_t c = XOR(LOAD(p + i + 32), FROM_FAR(p + i + 32));
    const v128_t d = XOR(LOAD(p + i + 48), FROM_FAR(p + i + 48));
    STORE(p + i, a);
    STORE(p + i + 16, b);
    STORE(p + i + 32, c);
    STORE(p + i + 48, d);
  }
}

static u32 fold_far(u32 size) {
  u8 *p = message + FAR_HISTORY, *to = folded + NEAR_HISTORY;
  const u32 moved = ((size - FAR) >> 6) << 6;
  move_far(p, moved);
  const u32 left = size - moved;
  u8 *q = p + moved;
  copy(to, q, left);
  zero(q, left + 16);
  for (u32 i = 0; i < left; i += 16) STORE(to + i, XOR(LOAD(to + i), FROM_FAR(q + i)));
  return fold_near(left);
}

// Fills the tables; once, before anything else.
EXPORT("init") void init(void) {
  for (u32 i = 0; i < 256; i++) {
    u32 crc = i;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    table[0][i] = crc;
  }
  for (int slice = 1; slice < 16; slice++)
    for (u32 i = 0; i < 256; i++) table[slice][i] = (table[slice - 1][i] >> 8) ^ table[0][table[slice - 1][i] & 255];
}

// Where the caller writes the bytes of a message or of its next chunk.
EXPORT("input") u8 *input(void) { return message + FAR_HISTORY; }

EXPORT("chunkSize") u32 chunk_size(void) { return CHUNK; }

// A message of less than two chunks.
EXPORT("whole") u32 whole(u32 size) {
  u8 *p = message + FAR_HISTORY;
  if (size < NEAR_FROM) return ~by_tables(~0u, p, size);
  *(u32 *)p ^= ~0u;
  if (size < FAR_FROM) {
    copy(folded + NEAR_HISTORY, p, size);
    return ~fold_near(size);
  }
  zero(message, FAR_HISTORY);
  return ~fold_far(size);
}

// A message of two chunks or more: `begin` before the first chunk is folded, `fold` per chunk, and `finish` with the 1..2 chunks left.
EXPORT("begin") void begin(void) {
  zero(message, FAR_HISTORY);
  *(u32 *)(message + FAR_HISTORY) ^= ~0u;
}

EXPORT("fold") void fold(void) {
  move_far(message + FAR_HISTORY, CHUNK);
  copy(message, message + CHUNK, FAR_HISTORY);
}

EXPORT("finish") u32 finish(u32 size) { return ~fold_far(size); }
