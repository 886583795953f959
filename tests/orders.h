#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "tensor/parallel.h"
#include "tensor/tensor.h"
#include "tests/devices.h"

/// What must not depend on the order in which threads run.
namespace ember {

/// The same shape and the same bytes, so that NaN equals itself and -0 differs from 0.
template <typename T>
bool equal_bytes(const TensorOf<T>& a, const TensorOf<T>& b) {
  return a.shape() == b.shape() && std::memcmp(a.to(Device::cpu).data(), b.to(Device::cpu).data(),
                                               static_cast<size_t>(a.size()) * sizeof(T)) == 0;
}

/// Runs `body` in several orders of the device's threads (see tests/devices.h), and expects tensors
/// of equal bytes.
template <typename Body>
void require_equal_in_any_order(Device device, const Body& body) {
  const int threads = thread_count();
  std::vector<Tensor> first;
  for (int order = 0; order < order_count(device); ++order) {
    set_order(device, order);
    const std::vector<Tensor> tensors = body();
    if (order == 0) first = tensors;
    for (size_t i = 0; i < first.size(); ++i) {
      INFO("tensor " << i << " in order " << order);
      REQUIRE(equal_bytes(tensors[i], first[i]));
    }
  }
  set_thread_count(threads);
}

}  // namespace ember
