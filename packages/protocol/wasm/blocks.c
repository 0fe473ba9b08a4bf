// LZ4 and snappy blocks, to fewer bytes and back, in WebAssembly. Compiled by build.js to src/compression/blocks-module.ts; see README.md.
//
// The caller lays out the memory: source and target lie anywhere from `input` on, with SLACK bytes free behind each, that may be read and
// written (to no effect) by copies of whole vectors. Nothing else is touched, whatever the source says: lengths are compared with what is left
// of source and target before anything is copied, distances with what was written of the target.
//
// The JavaScript in src/compression/lz4-block.ts and snappy-block.ts does the same, byte for byte and error for error; it explains the formats.
#include <wasm_simd128.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef u32 unaligned_u32 __attribute__((aligned(1), may_alias));
typedef u64 unaligned_u64 __attribute__((aligned(1), may_alias));
typedef int i32;

#define EXPORT(name) __attribute__((export_name(name)))

// Answers of the decompressors that are no size. src/compression/blocks-wasm.ts knows them by number.
#define DOES_NOT_FIT -1
#define TRUNCATED -2
#define POINTS_BEFORE -3
#define TOO_LONG -4
#define TOO_SHORT -5

#define SLACK 64 // more than the two vectors that a copy may be ahead of its end

extern u8 __heap_base;
static u16 positions[8192]; // of the last four bytes with a hash, from the start of the block; 0 also means none, which the comparison finds out
static u8 repeats[16][16];  // for a match `distance` bytes back, which of these bytes come next

#define LOAD(p) wasm_v128_load(p)
#define STORE(p, v) wasm_v128_store(p, v)

static inline u32 load32(const u8 *p) { return *(const unaligned_u32 *)p; }
static inline u64 load64(const u8 *p) { return *(const unaligned_u64 *)p; }

EXPORT("init") void init(void) {
  for (u32 distance = 1; distance < 16; distance++)
    for (u32 i = 0; i < 16; i++) repeats[distance][i] = i % distance;
}

EXPORT("input") u8 *input(void) { return &__heap_base; }

EXPORT("slack") u32 slack(void) { return SLACK; }

// Whole vectors: up to 31 bytes more than `size` are read and written.
static inline void copy(u8 *to, const u8 *from, u32 size) {
  const u8 *stop = to + size;
  do {
    STORE(to, LOAD(from));
    STORE(to + 16, LOAD(from + 16));
    to += 32;
    from += 32;
  } while (to < stop);
}

// What was written `distance` bytes ago, `size` times on, up to 31 bytes more: what is written on the way is read again.
static inline void repeat(u8 *to, u32 distance, u32 size) {
  if (distance >= 16) {
    copy(to, to - distance, size);
    return;
  }
  // As many whole repetitions as a vector holds, again and again.
  const u8 *stop = to + size;
  const v128_t bytes = wasm_i8x16_swizzle(LOAD(to - distance), LOAD(repeats[distance]));
  const u32 step = 16 - 16 % distance;
  do {
    STORE(to, bytes);
    to += step;
  } while (to < stop);
}

// The bytes that continue a length: as long as they are 255. Past `end` when there are too few.
static inline const u8 *longer(const u8 *from, const u8 *end, u32 *length) {
  u32 more;
  do {
    if (from >= end) return end + 1;
    more = *from++;
    *length += more;
  } while (more == 255);
  return from;
}

// The block `from`..`end` into `start`..`limit`; its size, or why not.
EXPORT("lz4Decompress") i32 lz4_decompress(const u8 *from, const u8 *end, u8 *start, u8 *limit) {
  u8 *to = start;
  while (from < end) {
    const u32 token = *from++;
    u32 length = token >> 4;
    if (length < 15) {
      if (length > (u32)(end - from)) return TRUNCATED;
      if (length > (u32)(limit - to)) return DOES_NOT_FIT;
      STORE(to, LOAD(from));
    } else {
      from = longer(from, end, &length);
      if (from > end || length > (u32)(end - from)) return TRUNCATED;
      if (length > (u32)(limit - to)) return DOES_NOT_FIT;
      copy(to, from, length);
    }
    to += length;
    from += length;
    if (from == end) return to - start;
    if (end - from < 2) return TRUNCATED;
    const u32 distance = from[0] | from[1] << 8;
    from += 2;
    if (distance == 0 || distance > (u32)(to - start)) return POINTS_BEFORE;
    length = (token & 15) + 4;
    if (length == 15 + 4) {
      from = longer(from, end, &length);
      if (from > end) return TRUNCATED;
    }
    if (length > (u32)(limit - to)) return DOES_NOT_FIT;
    repeat(to, distance, length);
    to += length;
  }
  return TRUNCATED;
}

// How many bytes from `ahead` on are the same as those from `behind` on, before `stop`.
static inline u32 same(const u8 *ahead, const u8 *behind, const u8 *stop) {
  const u8 *start = ahead;
  while (ahead + 8 <= stop) {
    const u64 difference = load64(ahead) ^ load64(behind);
    if (difference != 0) return ahead - start + (__builtin_ctzll(difference) >> 3);
    ahead += 8;
    behind += 8;
  }
  while (ahead < stop && *ahead == *behind) {
    ahead++;
    behind++;
  }
  return ahead - start;
}

// Clearing the whole table would cost a small block more than compressing it. What is left to shift a hash by.
static inline u32 clear_positions(u32 size) {
  const u32 bits = size < 2048 ? 10 : size < 8192 ? 12 : 13;
  const v128_t none = wasm_i32x4_splat(0);
  for (u32 i = 0; i < 1u << bits; i += 8) STORE(positions + i, none);
  return 32 - bits;
}

// A run of literals behind `token`, whose low half is the caller's; where it ends.
static inline u8 *lz4_literals(const u8 *from, u32 count, u8 *token) {
  u8 *to = token + 1;
  if (count < 15) {
    *token = count << 4;
    STORE(to, LOAD(from));
    return to + count;
  }
  *token = 0xf0;
  u32 more = count - 15;
  for (; more >= 255; more -= 255) *to++ = 255;
  *to++ = more;
  copy(to, from, count);
  return to + count;
}

// `start`..`end`, at most 64 KiB, into `target`; the size there.
EXPORT("lz4Compress") u32 lz4_compress(const u8 *start, const u8 *end, u8 *target) {
  const u32 shift = clear_positions(end - start);
  const u8 *literals = start, *from = start + 1;
  u8 *to = target;
  u32 misses = 64;
  // The last match starts 12 bytes before the end or earlier and leaves five: rules of the format.
  while (from + 12 <= end) {
    const u32 four = load32(from);
    const u32 slot = four * 0x9e3779b1u >> shift;
    const u8 *match = start + positions[slot];
    positions[slot] = from - start;
    if (load32(match) != four) {
      from += misses++ >> 6;
      continue;
    }
    misses = 64;
    const u8 *ahead = from + 4 + same(from + 4, match + 4, end - 5);
    while (from > literals && match > start && from[-1] == match[-1]) {
      from--;
      match--;
    }
    u8 *token = to;
    to = lz4_literals(literals, from - literals, token);
    const u32 distance = from - match;
    *to++ = distance;
    *to++ = distance >> 8;
    u32 length = ahead - from - 4;
    if (length < 15) {
      *token |= length;
    } else {
      *token |= 15;
      for (length -= 15; length >= 255; length -= 255) *to++ = 255;
      *to++ = length;
    }
    literals = from = ahead;
    if (from + 12 <= end) positions[load32(from - 2) * 0x9e3779b1u >> shift] = from - 2 - start;
  }
  return lz4_literals(literals, end - literals, to) - target;
}

// The elements `from`..`end` into `start`..`limit`, which they must fill; the size, or why not.
EXPORT("snappyDecompress") i32 snappy_decompress(const u8 *from, const u8 *end, u8 *start, u8 *limit) {
  u8 *to = start;
  while (from < end) {
    const u32 tag = *from++;
    const u32 left = end - from;
    u32 length, distance;
    switch (tag & 3) {
    case 0:
      length = (tag >> 2) + 1;
      if (length > 60) {
        const u32 extra = length - 60;
        if (extra > left) return TRUNCATED;
        length = load32(from) & (0xffffffffu >> (32 - 8 * extra));
        from += extra;
        // One more than that; a length of 4 GiB is longer than anything.
        if (length >= (u32)(end - from)) return TRUNCATED;
        length++;
        if (length > (u32)(limit - to)) return TOO_LONG;
        copy(to, from, length);
      } else {
        if (length > left) return TRUNCATED;
        if (length > (u32)(limit - to)) return TOO_LONG;
        STORE(to, LOAD(from));
        if (length > 16) copy(to + 16, from + 16, length - 16);
      }
      to += length;
      from += length;
      continue;
    case 1:
      if (left < 1) return TRUNCATED;
      length = (tag >> 2 & 7) + 4;
      distance = tag >> 5 << 8 | *from;
      from += 1;
      break;
    case 2:
      if (left < 2) return TRUNCATED;
      length = (tag >> 2) + 1;
      distance = from[0] | from[1] << 8;
      from += 2;
      break;
    default:
      if (left < 4) return TRUNCATED;
      length = (tag >> 2) + 1;
      distance = load32(from);
      from += 4;
    }
    if (distance == 0 || distance > (u32)(to - start)) return POINTS_BEFORE;
    if (length > (u32)(limit - to)) return TOO_LONG;
    repeat(to, distance, length);
    to += length;
  }
  return to == limit ? to - start : TOO_SHORT;
}

static inline u8 *snappy_literal(const u8 *from, u32 count, u8 *to) {
  if (count <= 60) {
    *to++ = (count - 1) << 2;
  } else if (count <= 256) {
    *to++ = 60 << 2;
    *to++ = count - 1;
  } else {
    *to++ = 61 << 2;
    *to++ = count - 1;
    *to++ = (count - 1) >> 8;
  }
  copy(to, from, count);
  return to + count;
}

static inline u8 *snappy_copy(u32 distance, u32 length, u8 *to) {
  while (length > 0) {
    // A copy is 4 to 64 bytes in the short form, so never leave fewer than four behind.
    const u32 count = length <= 64 ? length : length < 68 ? 60 : 64;
    if (count < 12 && distance < 2048) {
      *to++ = 1 | (count - 4) << 2 | distance >> 8 << 5;
      *to++ = distance;
    } else {
      *to++ = 2 | (count - 1) << 2;
      *to++ = distance;
      *to++ = distance >> 8;
    }
    length -= count;
  }
  return to;
}

// The elements of `start`..`end`, at most 64 KiB, into `target`; their size.
EXPORT("snappyCompress") u32 snappy_compress(const u8 *start, const u8 *end, u8 *target) {
  const u32 shift = clear_positions(end - start);
  const u8 *literals = start, *from = start + 1;
  u8 *to = target;
  u32 misses = 32;
  while (from + 12 <= end) {
    const u32 four = load32(from);
    const u32 slot = four * 0x1e35a7bdu >> shift;
    const u8 *match = start + positions[slot];
    positions[slot] = from - start;
    if (load32(match) != four) {
      from += misses++ >> 5;
      continue;
    }
    misses = 32;
    const u8 *ahead = from + 4 + same(from + 4, match + 4, end);
    if (from > literals) to = snappy_literal(literals, from - literals, to);
    to = snappy_copy(from - match, ahead - from, to);
    literals = from = ahead;
    if (from + 12 <= end) positions[load32(from - 1) * 0x1e35a7bdu >> shift] = from - 1 - start;
  }
  if (end > literals) to = snappy_literal(literals, end - literals, to);
  return to - target;
}
