// Adam. Bound by memory: 16 bytes read and 12 written for each parameter.
//
// 1. A launch for each parameter tensor: a hundred launches, most of a few hundred elements, which
//    do not fill one multiprocessor.
// 2. One launch for all: a table on the GPU says what each block works on. It is uploaded when the
//    slots change, which is once.
// 3. 16 bytes an access; in a graph the coefficients of the step are read from memory too, as its
//    launches are the same in each replay.
#include "kernels/adam.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "kernels/adam_coefficients.h"
#include "tensor/cuda/replayed.cuh"
#include "tensor/cuda/vector.cuh"

namespace ember::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kChunk = int64_t{8} * kThreads;  ///< elements of a block

/// What one block works on: part of a slot.
struct Chunk {
  float* value;
  const float* gradient;
  float* m;
  float* v;
  int64_t size;

  bool operator==(const Chunk&) const = default;
};

/// Elements [i, i + kLanes<V>) of a chunk; the operations are those of kernels/adam.cpp.
template <class V>
__device__ void update(const Chunk& chunk, const AdamCoefficients& k, int64_t i) {
  const V g = load<V>(chunk.gradient + i);
  const V value = load<V>(chunk.value + i);
  const V m = map([&](float g_, float m_) { return fmaf(g_ - m_, k.one_minus_beta1, m_); }, g,
                  load<V>(chunk.m + i));
  const V v = map([&](float g_, float v_) { return fmaf(g_ * g_ - v_, k.one_minus_beta2, v_); }, g,
                  load<V>(chunk.v + i));
  const V change =
      map([&](float m_,
              float v_) { return k.step_size * m_ / fmaf(sqrtf(v_), k.root_factor, k.epsilon); },
          m, v);
  store(chunk.m + i, m);
  store(chunk.v + i, v);
  store(chunk.value + i,
        map([](float value_, float change_) { return value_ - change_; }, value, change));
}

__global__ void __launch_bounds__(kThreads)
    adam_kernel(const Chunk* chunks, AdamCoefficients coefficients,
                const AdamCoefficients* replayed) {
  const Chunk chunk = chunks[blockIdx.x];
  const AdamCoefficients k = current(coefficients, replayed);
  const auto addresses =
      reinterpret_cast<uintptr_t>(chunk.value) | reinterpret_cast<uintptr_t>(chunk.gradient) |
      reinterpret_cast<uintptr_t>(chunk.m) | reinterpret_cast<uintptr_t>(chunk.v);
  const int64_t in_fours = addresses % sizeof(float4) == 0 ? chunk.size / 4 * 4 : 0;
  for (int64_t i = int64_t{4} * threadIdx.x; i < in_fours; i += 4 * kThreads) {
    update<float4>(chunk, k, i);
  }
  for (int64_t i = in_fours + threadIdx.x; i < chunk.size; i += kThreads) {
    update<float>(chunk, k, i);
  }
}

std::vector<Chunk> chunks_of(std::span<AdamSlot> slots) {
  std::vector<Chunk> chunks;
  for (AdamSlot& slot : slots) {
    for (int64_t first = 0; first < slot.value.size(); first += kChunk) {
      chunks.push_back({slot.value.data() + first, slot.gradient.data() + first,
                        slot.m.data() + first, slot.v.data() + first,
                        std::min(kChunk, slot.value.size() - first)});
    }
  }
  return chunks;
}

/// The chunks on the GPU, and the same on the host to see whether they are still right.
struct Table {
  std::vector<Chunk> chunks;
  std::unique_ptr<Storage> storage;

  const Chunk* of(std::span<AdamSlot> slots) {
    std::vector<Chunk> wanted = chunks_of(slots);
    if (wanted != chunks) {
      const size_t bytes = wanted.size() * sizeof(Chunk);
      storage = std::make_unique<Storage>(Device::cuda, bytes);
      copy_bytes(storage->data(), Device::cuda, wanted.data(), Device::cpu, bytes);
      chunks = std::move(wanted);
    }
    return storage == nullptr ? nullptr : reinterpret_cast<const Chunk*>(storage->data());
  }
};

Replayed<AdamCoefficients>& replayed_coefficients() {
  thread_local Replayed<AdamCoefficients> coefficients;
  return coefficients;
}

}  // namespace

void set_replayed_adam_step(const AdamOptions& options, int64_t step) {
  replayed_coefficients().set(AdamCoefficients(options, step));
}

void adam(std::span<AdamSlot> slots, const AdamOptions& options, int64_t step) {
  thread_local Table table;
  const Chunk* chunks = table.of(slots);
  launch(adam_kernel,
         {dim3(static_cast<unsigned>(table.chunks.size())), dim3(kThreads), current_stream()},
         chunks, AdamCoefficients(options, step), replayed_coefficients().address());
}

}  // namespace ember::cuda
