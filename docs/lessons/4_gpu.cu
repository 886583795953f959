// The kernels of lesson 4, slowest first; its second step is kernels/naive/matmul.cu. All matrices
// are row-major: element (i, j) of x is x[i * columns + j].
#include "docs/lessons/4_gpu.h"
#include "tensor/cuda/launch.h"
#include "tensor/cuda/vector.cuh"

namespace ember::cuda::lesson {
namespace {

/// A thread an element of c, neighbouring threads one below the other.
__global__ void rows_kernel(const float* a, const float* b, int n, int k, float* c) {
  const unsigned row = blockIdx.y * blockDim.x + threadIdx.x;
  const unsigned column = blockIdx.x * blockDim.y + threadIdx.y;
  float sum = 0;
  for (int p = 0; p < k; ++p) sum = fmaf(a[row * k + p], b[p * n + column], sum);
  c[row * n + column] = sum;
}

constexpr int kTile = 32;

/// A block a tile of c, 32 x 32, in steps of 32 along the depth: the block's threads bring a step's
/// tiles of a and b to shared memory together, one element each, and all use all of them. The tile
/// of b stands there by columns, and a column ends with `kPadding` floats that nobody uses.
template <int kPadding>
__global__ void tiles_kernel(const float* a, const float* b, int n, int k, float* c) {
  __shared__ float rows[kTile][kTile];                // [row of a][depth]
  __shared__ float columns[kTile][kTile + kPadding];  // [column of b][depth]
  const unsigned y = threadIdx.y;
  const unsigned x = threadIdx.x;
  const unsigned row = blockIdx.y * kTile + y;
  const unsigned column = blockIdx.x * kTile + x;
  float sum = 0;
  for (int step = 0; step < k; step += kTile) {
    rows[y][x] = a[row * k + step + x];
    columns[x][y] = b[(step + y) * n + column];
    __syncthreads();  // the tiles are there
    for (int p = 0; p < kTile; ++p) sum = fmaf(rows[y][p], columns[x][p], sum);
    __syncthreads();  // nobody needs them any more
  }
  c[row * n + column] = sum;
}

constexpr int kBlockTile = 64;
constexpr int kDepth = 16;
constexpr int kSums = 4;
constexpr int kAcross = kBlockTile / kSums;       // threads along a row of the tile
constexpr int kBlockThreads = kAcross * kAcross;  // 256
constexpr int kBlockPadding = 4;                  // a multiple of 4: rows begin at 16 bytes

/// A block a tile of c, 64 x 64, a thread 4 x 4 elements of it in registers. In shared memory the
/// depth is the slow index of both tiles, so that a thread's 4 rows of a, and its 4 columns of b,
/// are one load each.
__global__ void __launch_bounds__(kBlockThreads)
    registers_kernel(const float* a, const float* b, int n, int k, float* c) {
  __shared__ __align__(16) float rows[kDepth][kBlockTile + kBlockPadding];
  __shared__ __align__(16) float columns[kDepth][kBlockTile];
  const unsigned t = threadIdx.x;
  const unsigned first_row = blockIdx.y * kBlockTile;
  const unsigned first_column = blockIdx.x * kBlockTile;
  // What the thread brings: 4 depths of a row of a, 4 columns of a row of b.
  const unsigned a_row = t / 2 % kBlockTile;
  const unsigned a_depth = (t % 2 + t / (2 * kBlockTile) * 2) * 4;
  const unsigned b_depth = t / kAcross;
  const unsigned b_column = t % kAcross * 4;
  // What it computes.
  const unsigned row = t / kAcross * kSums;
  const unsigned column = t % kAcross * kSums;
  float4 sum[kSums] = {};
  for (int step = 0; step < k; step += kDepth) {
    const float4 from_a = load<float4>(a + (first_row + a_row) * k + step + a_depth);
    rows[a_depth + 0][a_row] = from_a.x;
    rows[a_depth + 1][a_row] = from_a.y;
    rows[a_depth + 2][a_row] = from_a.z;
    rows[a_depth + 3][a_row] = from_a.w;
    store(&columns[b_depth][b_column],
          load<float4>(b + (step + b_depth) * n + first_column + b_column));
    __syncthreads();
    for (int p = 0; p < kDepth; ++p) {
      const float4 left = load<float4>(&rows[p][row]);
      const float4 right = load<float4>(&columns[p][column]);
      sum[0] = multiply_add(broadcast<float4>(left.x), right, sum[0]);
      sum[1] = multiply_add(broadcast<float4>(left.y), right, sum[1]);
      sum[2] = multiply_add(broadcast<float4>(left.z), right, sum[2]);
      sum[3] = multiply_add(broadcast<float4>(left.w), right, sum[3]);
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kSums; ++i) {
    store(c + (first_row + row + i) * n + first_column + column, sum[i]);
  }
}

using Kernel = void(const float* a, const float* b, int n, int k, float* c);

/// A block for each tile of c that is `tile` on each side.
void launch_tiles(Kernel* kernel, int tile, dim3 threads, const Tensor& a, const Tensor& b,
                  Tensor& c) {
  const dim3 blocks(blocks_for(c.dim(1), tile), blocks_for(c.dim(0), tile));
  launch(kernel, {blocks, threads, current_stream()}, a.data(), b.data(),
         static_cast<int>(c.dim(1)), static_cast<int>(a.dim(1)), c.data());
}

}  // namespace

void neighbours_in_rows(const Tensor& a, const Tensor& b, Tensor& c) {
  launch_tiles(rows_kernel, kTile, {kTile, kTile}, a, b, c);
}

void shared_tiles(const Tensor& a, const Tensor& b, Tensor& c) {
  launch_tiles(tiles_kernel<0>, kTile, {kTile, kTile}, a, b, c);
}

void padded_tiles(const Tensor& a, const Tensor& b, Tensor& c) {
  launch_tiles(tiles_kernel<1>, kTile, {kTile, kTile}, a, b, c);
}

void register_tiles(const Tensor& a, const Tensor& b, Tensor& c) {
  launch_tiles(registers_kernel, kBlockTile, kBlockThreads, a, b, c);
}

}  // namespace ember::cuda::lesson
