// What the emulated GPU's checker looks at, in accesses a second of one core: `checked`, beside the
// same kernels `unchecked`.
#include <benchmark/benchmark.h>
#include <cuda_runtime.h>

#include "kernels/emulator/emulator.h"
#include "tensor/cuda/launch.h"
#include "tensor/tensor.h"

namespace ember {
namespace {

constexpr int kTile = 16;

/// c (n, n) = a * b, a block a tile.
__global__ void product_kernel(const float* a, const float* b, int n, float* c) {
  __shared__ float rows[kTile][kTile];
  __shared__ float columns[kTile][kTile];
  const unsigned x = threadIdx.x;
  const unsigned y = threadIdx.y;
  const unsigned row = blockIdx.y * kTile + y;
  const unsigned column = blockIdx.x * kTile + x;
  float sum = 0;
  for (int step = 0; step < n; step += kTile) {
    rows[y][x] = a[row * n + step + x];
    columns[y][x] = b[(step + y) * n + column];
    __syncthreads();
    for (int k = 0; k < kTile; ++k) sum = fmaf(rows[y][k], columns[k][x], sum);
    __syncthreads();
  }
  c[row * n + column] = sum;
}

__global__ void copy_kernel(const float4* from, float4* to) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  to[i] = from[i];
}

void tiled_product(benchmark::State& state, emulator::Watch watch) {
  constexpr int kSide = 128;
  constexpr unsigned kTiles = kSide / kTile;
  constexpr int64_t kAccesses = kSide * kSide * (kTiles * (4 + 2 * kTile) + 1);
  const Tensor a = Tensor::filled({kSide, kSide}, 1.0f, Device::cuda);
  Tensor c = a.clone();
  emulator::set_watch(watch);
  for ([[maybe_unused]] auto _ : state) {
    cuda::launch(product_kernel, {dim3(kTiles, kTiles), dim3(kTile, kTile), cuda::current_stream()},
                 a.data(), a.data(), kSide, c.data());
  }
  emulator::set_watch(emulator::Watch::faults);
  state.SetItemsProcessed(state.iterations() * kAccesses);
}

void copy_of_vectors(benchmark::State& state, emulator::Watch watch) {
  constexpr int64_t kVectors = 1 << 16;
  const Tensor from = Tensor::filled({4 * kVectors}, 1.0f, Device::cuda);
  Tensor to = from.clone();
  emulator::set_watch(watch);
  for ([[maybe_unused]] auto _ : state) {
    cuda::launch(copy_kernel, {dim3(kVectors / 256), dim3(256), cuda::current_stream()},
                 reinterpret_cast<const float4*>(from.data()),
                 reinterpret_cast<float4*>(to.data()));
  }
  emulator::set_watch(emulator::Watch::faults);
  state.SetItemsProcessed(state.iterations() * 2 * kVectors);
}

using emulator::Watch;
BENCHMARK_CAPTURE(tiled_product, checked, Watch::faults);
BENCHMARK_CAPTURE(tiled_product, unchecked, Watch::nothing);
BENCHMARK_CAPTURE(copy_of_vectors, checked, Watch::faults);
BENCHMARK_CAPTURE(copy_of_vectors, unchecked, Watch::nothing);

}  // namespace
}  // namespace ember

BENCHMARK_MAIN();
