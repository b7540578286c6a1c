// Low-rank updates of linear layers: packing, and one parallel region over all updates of a step's layer. Rows of one
// batch may belong to different adapters of different ranks (Sheng et al. 2023, S-LoRA, section 5; Chen et al. 2023,
// Punica, SGMV): a job is one pair of matrices and the rows that use it, and jobs of any shapes share the region.
#include "lora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// MARK: Packing

/// The power of two that brings the largest magnitude near 2^14; 1 when all are zero.
static float strata_lora_unit(const float *values, int64_t count) {
  float largest = 0;
  for (int64_t i = 0; i < count; i++) largest = fmaxf(largest, fabsf(values[i]));
  if (!(largest > 0) || isinf(largest)) return 1;
  int exponent;
  (void)frexpf(largest, &exponent);
  if (exponent < -110) exponent = -110;
  return ldexpf(1, exponent - 14);
}

static void strata_lora_pack(strata_lora *pair, const float *a, const float *b, float scale) {
  int64_t rank = pair->rank, inputs = pair->inputs, outputs = pair->outputs;
  float a_unit = strata_lora_unit(a, rank * inputs), b_unit = strata_lora_unit(b, outputs * rank);
  for (int64_t j = 0; j < rank; j++) {
    for (int64_t k = 0; k < inputs; k++) {
      pair->down[j * pair->down_pitch + k] = strata_float_to_half(a[j * inputs + k] / a_unit);
    }
  }
  for (int64_t output = 0; output < outputs; output++) {
    uint16_t *panel = pair->up + output / STRATA_LORA_PANEL * rank * STRATA_LORA_PANEL + output % STRATA_LORA_PANEL;
    for (int64_t j = 0; j < rank; j++) {
      panel[j * STRATA_LORA_PANEL] = strata_float_to_half(b[output * rank + j] / b_unit);
    }
  }
  pair->factor = scale * a_unit * b_unit;
}

strata_lora *strata_lora_create(
    const float *a, const float *b, int64_t rank, int64_t inputs, int64_t outputs, float scale) {
  const int64_t most = (int64_t)1 << 24;
  if (rank < 1 || rank > STRATA_LORA_MOST_RANK || inputs < 1 || inputs > most || outputs < 1 || outputs > most) {
    return NULL;
  }
  strata_lora *pair = calloc(1, sizeof *pair);
  if (!pair) return NULL;
  *pair = (strata_lora){.rank = rank, .inputs = inputs, .outputs = outputs};
  pair->down_rows = strata_ceil_div(rank, STRATA_LORA_RANKS) * STRATA_LORA_RANKS;
  // A multiple of 32 values keeps every row of A on its own cache lines.
  pair->down_pitch = strata_ceil_div(inputs, 32) * 32;
  pair->panels = strata_ceil_div(outputs, STRATA_LORA_PANEL);
  size_t down_bytes = (size_t)(pair->down_rows * pair->down_pitch) * sizeof(uint16_t);
  pair->bytes = down_bytes + (size_t)(pair->panels * rank * STRATA_LORA_PANEL) * sizeof(uint16_t);
  uint8_t *memory = aligned_alloc(64, pair->bytes);
  if (!memory) {
    free(pair);
    return NULL;
  }
  memset(memory, 0, pair->bytes);
  pair->down = (uint16_t *)(void *)memory;
  pair->up = (uint16_t *)(void *)(memory + down_bytes);
  strata_lora_pack(pair, a, b, scale);
  return pair;
}

void strata_lora_destroy(strata_lora *pair) {
  if (!pair) return;
  free(pair->down);
  free(pair);
}

size_t strata_lora_byte_count(const strata_lora *pair) { return sizeof *pair + pair->bytes; }

// MARK: Adding

/// Rows of one job that one thread takes at a time.
enum { STRATA_LORA_CHUNK = 16 };

typedef struct strata_lora_work {
  strata_lora_kernel kernel;
  const strata_lora_job *jobs;
  int64_t job_count;
} strata_lora_work;

static strata_lora_kernel strata_lora_kernel_current(void) {
  switch (strata_isa_current()) {
#if STRATA_X86
    case STRATA_ISA_AVX512: return strata_lora_avx512;
    case STRATA_ISA_AVX2: return strata_lora_avx2;
#endif
    default: return strata_lora_portable;
  }
}

static void strata_lora_units(void *context, int64_t first, int64_t last) {
  const strata_lora_work *work = context;
  for (int64_t i = 0; i < work->job_count && first < last; i++) {
    const strata_lora_job *job = &work->jobs[i];
    int64_t chunks = strata_ceil_div(job->row_count, STRATA_LORA_CHUNK);
    for (int64_t chunk = strata_max64(first, 0); chunk < strata_min64(chunks, last); chunk++) {
      int64_t from = chunk * STRATA_LORA_CHUNK;
      work->kernel(job, job->rows + from, strata_min64(STRATA_LORA_CHUNK, job->row_count - from));
    }
    first -= chunks;
    last -= chunks;
  }
}

void strata_lora_add(strata_pool *pool, const strata_lora_job *jobs, int64_t job_count) {
  int64_t units = 0;
  for (int64_t i = 0; i < job_count; i++) units += strata_ceil_div(jobs[i].row_count, STRATA_LORA_CHUNK);
  strata_lora_work work = {strata_lora_kernel_current(), jobs, job_count};
  strata_parallel_for(pool, units, 1, strata_lora_units, &work);
}
