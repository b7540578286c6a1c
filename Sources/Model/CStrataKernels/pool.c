// The thread pool: one parallel-for region at a time, chunks handed out by a counter. It knows nothing of what runs.
#define _GNU_SOURCE
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if STRATA_X86
#include <immintrin.h>
#define STRATA_PAUSE() _mm_pause()
#elif defined(__aarch64__)
#define STRATA_PAUSE() __asm__ __volatile__("yield")
#else
#define STRATA_PAUSE() ((void)0)
#endif

// How long an idle worker looks for work before it sleeps. Between two kernels of one token only a few microseconds
// pass, so a worker stays awake through a forward pass; on a machine with other work it is asleep soon after.
static const int64_t strata_spin_nanoseconds = 60000;

// How long a caller looks for the end of a worker's last chunk before it sleeps. A chunk takes some microseconds; one
// that takes longer belongs to a worker whose processor the system gave to somebody else, and looking on would only
// burn the time that the two of them get.
static const int64_t strata_finish_nanoseconds = 30000;

enum { STRATA_MAX_THREADS = 256 };

// The region word: generation in the high bits, then whether workers may still join, then how many are inside.
// A worker joins by adding one while the region is open, so the caller never waits for a worker that the system has
// not scheduled yet: it closes the region and waits only for those inside.
#define STRATA_OPEN ((uint64_t)1 << 15)
#define STRATA_INSIDE (STRATA_OPEN - 1)
#define STRATA_GENERATION ((uint64_t)1 << 16)

struct strata_pool {
  _Alignas(64) _Atomic uint64_t region;
  _Alignas(64) _Atomic int64_t next;
  _Alignas(64) strata_body body;
  void *context;
  int64_t count;
  int64_t chunk;
  _Alignas(64) _Atomic int32_t sleepers;
  _Atomic bool caller_sleeps;
  _Atomic bool stop;
  int32_t threads;
  int32_t started;
  bool temporary;
  pthread_mutex_t turn;
  pthread_mutex_t park;
  pthread_cond_t wake;
  pthread_cond_t finished;
  void *scratch[STRATA_SCRATCH_SLOTS];
  size_t scratch_bytes[STRATA_SCRATCH_SLOTS];
  pthread_t workers[STRATA_MAX_THREADS];
};

static int64_t strata_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void strata_run_chunks(strata_pool *pool) {
  int64_t count = pool->count, chunk = pool->chunk;
  for (;;) {
    int64_t first = atomic_fetch_add_explicit(&pool->next, chunk, memory_order_relaxed);
    if (first >= count) return;
    pool->body(pool->context, first, strata_min64(first + chunk, count));
  }
}

/// Spins, then sleeps, until a region of another generation than `seen` opens or the pool stops.
static void strata_await_region(strata_pool *pool, uint64_t seen) {
  int64_t deadline = 0;
  for (uint32_t turn = 0;; turn++) {
    uint64_t region = atomic_load_explicit(&pool->region, memory_order_acquire);
    if ((region / STRATA_GENERATION != seen && (region & STRATA_OPEN)) || atomic_load(&pool->stop)) return;
    STRATA_PAUSE();
    if (turn % 64 != 63) continue;
    int64_t now = strata_now();
    if (deadline == 0) deadline = now + strata_spin_nanoseconds;
    if (now < deadline) continue;
    pthread_mutex_lock(&pool->park);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->region) / STRATA_GENERATION == region / STRATA_GENERATION && !atomic_load(&pool->stop)) {
      pthread_cond_wait(&pool->wake, &pool->park);
    }
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->park);
    deadline = 0;
  }
}

static void *strata_worker(void *argument) {
  strata_pool *pool = argument;
  uint64_t seen = 0;
  while (!atomic_load(&pool->stop)) {
    strata_await_region(pool, seen);
    uint64_t region = atomic_load_explicit(&pool->region, memory_order_acquire);
    if (region / STRATA_GENERATION == seen || !(region & STRATA_OPEN)) continue;
    if (!atomic_compare_exchange_weak(&pool->region, &region, region + 1)) continue;
    seen = region / STRATA_GENERATION;
    strata_run_chunks(pool);
    atomic_fetch_sub(&pool->region, 1);
    if (!atomic_load(&pool->caller_sleeps)) continue;
    pthread_mutex_lock(&pool->park);
    pthread_cond_signal(&pool->finished);
    pthread_mutex_unlock(&pool->park);
  }
  return NULL;
}

strata_pool *strata_pool_create(int32_t threads) {
  if (threads < 1) threads = 1;
  if (threads > STRATA_MAX_THREADS) threads = STRATA_MAX_THREADS;
  strata_pool *pool = aligned_alloc(64, sizeof(strata_pool));
  if (!pool) return NULL;
  memset(pool, 0, sizeof *pool);
  pool->threads = threads;
  pthread_mutex_init(&pool->turn, NULL);
  pthread_mutex_init(&pool->park, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->finished, NULL);
  for (int32_t i = 1; i < threads; i++) {
    if (pthread_create(&pool->workers[i], NULL, strata_worker, pool) != 0) {
      strata_pool_destroy(pool);
      return NULL;
    }
    pool->started = i;
  }
  return pool;
}

void strata_pool_destroy(strata_pool *pool) {
  if (!pool) return;
  pthread_mutex_lock(&pool->park);
  atomic_store(&pool->stop, true);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->park);
  for (int32_t i = 1; i <= pool->started; i++) pthread_join(pool->workers[i], NULL);
  pthread_cond_destroy(&pool->finished);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->park);
  pthread_mutex_destroy(&pool->turn);
  for (int32_t slot = 0; slot < STRATA_SCRATCH_SLOTS; slot++) free(pool->scratch[slot]);
  free(pool);
}

int32_t strata_pool_threads(const strata_pool *pool) { return pool ? pool->threads : 1; }

strata_pool *strata_pool_enter(strata_pool *pool) {
  if (!pool) {
    pool = strata_pool_create(1);
    if (!pool) return NULL;
    pool->temporary = true;
  }
  pthread_mutex_lock(&pool->turn);
  return pool;
}

void strata_pool_leave(strata_pool *pool) {
  pthread_mutex_unlock(&pool->turn);
  if (pool->temporary) strata_pool_destroy(pool);
}

void *strata_pool_scratch(strata_pool *pool, int32_t slot, size_t bytes) {
  if (pool->scratch_bytes[slot] < bytes) {
    free(pool->scratch[slot]);
    size_t rounded = (bytes + bytes / 2 + 4095) / 4096 * 4096;
    pool->scratch[slot] = aligned_alloc(4096, rounded);
    pool->scratch_bytes[slot] = pool->scratch[slot] ? rounded : 0;
  }
  return pool->scratch[slot];
}

/// Waits until no worker is inside the region, which is closed.
static void strata_await_workers(strata_pool *pool) {
  int64_t deadline = 0;
  for (uint32_t turn = 0; atomic_load_explicit(&pool->region, memory_order_acquire) & STRATA_INSIDE; turn++) {
    STRATA_PAUSE();
    if (turn % 64 != 63) continue;
    int64_t now = strata_now();
    if (deadline == 0) deadline = now + strata_finish_nanoseconds;
    if (now < deadline) continue;
    pthread_mutex_lock(&pool->park);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->region) & STRATA_INSIDE) pthread_cond_wait(&pool->finished, &pool->park);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->park);
  }
}

void strata_region(strata_pool *pool, int64_t count, int64_t chunk, strata_body body, void *context) {
  if (count <= 0) return;
  if (chunk < 1) chunk = 1;
  if (pool->threads == 1 || count <= chunk) {
    body(context, 0, count);
    return;
  }
  pool->body = body;
  pool->context = context;
  pool->count = count;
  pool->chunk = chunk;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  uint64_t generation = atomic_load_explicit(&pool->region, memory_order_relaxed) / STRATA_GENERATION + 1;
  atomic_store(&pool->region, generation * STRATA_GENERATION | STRATA_OPEN);
  if (atomic_load(&pool->sleepers) > 0) {
    pthread_mutex_lock(&pool->park);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->park);
  }
  strata_run_chunks(pool);
  if (atomic_fetch_and(&pool->region, ~STRATA_OPEN) & STRATA_INSIDE) strata_await_workers(pool);
  atomic_thread_fence(memory_order_acquire);
}

void strata_parallel_for(strata_pool *pool, int64_t count, int64_t chunk, strata_body body, void *context) {
  if (count <= 0) return;
  if (!pool || pool->threads == 1) {
    body(context, 0, count);
    return;
  }
  (void)strata_pool_enter(pool);
  strata_region(pool, count, chunk, body, context);
  strata_pool_leave(pool);
}

void *strata_memory_map(size_t bytes, bool huge) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
  if (huge) (void)madvise(memory, bytes, MADV_HUGEPAGE);
#else
  (void)huge;
#endif
  return memory;
}

void strata_memory_unmap(void *memory, size_t bytes) {
  if (memory) munmap(memory, bytes);
}

void strata_memory_release(void *memory, size_t bytes) {
  uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)memory;
  uintptr_t first = (start + size - 1) / size * size, last = (start + bytes) / size * size;
  if (last > first) (void)madvise((void *)first, last - first, MADV_DONTNEED);
}

void strata_memory_prefer_huge(const void *memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
  uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)memory;
  uintptr_t first = (start + size - 1) / size * size, last = (start + bytes) / size * size;
  if (last > first) (void)madvise((void *)first, last - first, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}

static void strata_memory_advise(const void *memory, size_t bytes, int advice) {
  uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)memory / size * size;
  if (bytes > 0) (void)madvise((void *)first, (uintptr_t)memory + bytes - first, advice);
}

void strata_memory_read_randomly(const void *memory, size_t bytes) {
  strata_memory_advise(memory, bytes, MADV_RANDOM);
}

void strata_memory_read_ahead(const void *memory, size_t bytes) { strata_memory_advise(memory, bytes, MADV_WILLNEED); }
