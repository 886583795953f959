#include "kernels/cudnn/executor.h"

#include <algorithm>

#include "kernels/cudnn/api.h"
#include "tensor/cuda/stream.h"
#include "tensor/error.h"
#include "tensor/scratch.h"

#define ATTRIBUTE EMBER_CUDNN_ATTRIBUTE

namespace ember::cudnn {
namespace {

std::shared_ptr<cudnnContext> make_handle() {
  cudnnHandle_t raw = nullptr;
  check(api().create(&raw), "cudnnCreate");
  std::shared_ptr<cudnnContext> handle(raw, [](cudnnHandle_t h) { api().destroy(h); });
  check(api().set_stream(raw, cuda::current_stream()), "cudnnSetStream");
  return handle;
}

}  // namespace

Executor::Executor() : handle_(make_handle()), planner_(Target::card(handle_.get())) {}

bool Executor::takes(const Operands& operands) {
  for (const float* pointer : {operands.x, operands.weight, operands.y, operands.bias}) {
    if (reinterpret_cast<uintptr_t>(pointer) % kOperandAlignment != 0) return false;
  }
  return true;
}

void Executor::run(const Plan& plan, const Operands& operands) {
  const std::array pointers{operands.x, operands.weight, operands.y, operands.bias};
  constexpr std::array<int64_t, 4> kIds{
      static_cast<int64_t>(Operand::x), static_cast<int64_t>(Operand::weight),
      static_cast<int64_t>(Operand::y), static_cast<int64_t>(Operand::bias)};
  std::array<void*, 4> memory{};
  for (size_t i = 0; i < pointers.size(); ++i) {
    memory[i] = const_cast<float*>(pointers[i]);  // cuDNN writes only the result
  }
  constexpr int64_t kFloat = sizeof(float);
  void* workspace =
      scratch(Scratch::workspace, (plan.workspace_bytes + kFloat - 1) / kFloat, Device::cuda);
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "tensors of a plan");
  if (operands.bias != nullptr) {
    pack.set(ATTRIBUTE(VARIANT_PACK_UNIQUE_IDS), kIds)
        .set(ATTRIBUTE(VARIANT_PACK_DATA_POINTERS), memory);
  } else {
    pack.set(ATTRIBUTE(VARIANT_PACK_UNIQUE_IDS), std::array{kIds[0], kIds[1], kIds[2]})
        .set(ATTRIBUTE(VARIANT_PACK_DATA_POINTERS), std::array{memory[0], memory[1], memory[2]});
  }
  pack.set(ATTRIBUTE(VARIANT_PACK_WORKSPACE), workspace).finalize();
  check(api().execute(handle_.get(), plan.descriptor.get(), pack.get()), "execute");
}

}  // namespace ember::cudnn
