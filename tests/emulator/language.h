#pragma once

#include <cuda_runtime.h>

#include <cstdint>

/// Kernels that each show one part of the language, for language_test.cpp.
namespace ember {

/// out[i] of thread i of the whole grid: its coordinates as digits.
void indices_kernel(int* out);
/// Thread t writes {count, or, and} of the predicates t % 3 == 0, t == 40, t < 64.
void barrier_votes_kernel(int* out);
/// out[k * 32 + lane] = shuffle number k of the lanes' values 100 + lane, see language_test.cpp.
void shuffles_kernel(int* out);
/// Shuffles a value of each width: lane l gets its right neighbour's.
void shuffle_types_kernel(float* f, double* d, int64_t* i, unsigned* u);
/// {ballot of lanes divisible by 3, any lane 70, all lanes below 70} of each thread.
void votes_kernel(unsigned* out);
/// Each operation once a thread on its own cell: add, max, min, exchange, or, compare-and-swap,
/// inc.
void atomics_kernel(unsigned* cells);
/// out = in reversed within each block, through static and dynamic shared memory.
void reverse_kernel(float* out, const float* in);
/// Swaps the halves of each vector.
void vectors_kernel(float4* f, int2* i, uchar4* c);
/// {rsqrt(x), fmaf(x, x, -1), clz, popc, ffs, umulhi} of x = in[i].
void arithmetic_kernel(float* out, const float* in);
/// The sum of all elements by the last block to finish; counter begins and ends at 0.
void last_block_kernel(float* sum, float* partials, unsigned* counter, const float* in);
/// x[i] = factor * x[i] + i.
void step_kernel(float* x, float factor);

/// Copies n floats, the first from a `shift` elements later on; 16 bytes an access or 4, or with a
/// `stride` between neighbouring threads.
void copy4_kernel(float4* to, const float4* from);
void copy_kernel(float* to, const float* from, int shift, int stride);
/// Each thread writes shared word t * stride and reads it again.
void banks_kernel(float* out, int stride);
/// The same with vectors.
void vector_banks_kernel(float4* out, int stride);

}  // namespace ember
