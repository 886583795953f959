#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tensor/cuda/memory.h"
#include "tensor/device.h"
#include "tensor/shape.h"

namespace ember {

/// A contiguous array with a shape on one device. Copying a TensorOf shares its elements, as a view
/// does; `clone()` copies them. Views come only from `reshape` and from slicing the first
/// dimension. A `const TensorOf&` parameter is an input, a `TensorOf&` one an output that the
/// caller has sized.
template <typename T>
class TensorOf {
 public:
  /// No elements; `empty()` is true.
  TensorOf() = default;

  /// New elements, not initialised.
  explicit TensorOf(Shape shape, Device device = Device::cpu)
      : TensorOf(shape, std::make_shared<Storage>(device, bytes_of(shape)), 0) {}

  /// A view of `storage` from byte `offset` on: how layers get their part of a model's arena.
  TensorOf(Shape shape, std::shared_ptr<Storage> storage, size_t offset)
      : shape_(shape), storage_(std::move(storage)) {
    EMBER_REQUIRE(offset % alignof(T) == 0 && offset + bytes_of(shape) <= storage_->bytes(),
                  "tensor {} at byte {} leaves a storage of {} bytes", to_string(shape), offset,
                  storage_->bytes());
    data_ = reinterpret_cast<T*>(storage_->data() + offset);
  }

  static TensorOf filled(Shape shape, T value, Device device = Device::cpu) {
    TensorOf tensor(shape, device);
    tensor.fill(value);
    return tensor;
  }
  static TensorOf zeros(Shape shape, Device device = Device::cpu) {
    return filled(shape, T{}, device);
  }
  static TensorOf from(Shape shape, std::span<const T> values) {
    EMBER_REQUIRE(static_cast<int64_t>(values.size()) == shape.size(), "tensor {}: {} values given",
                  to_string(shape), values.size());
    TensorOf tensor(shape);
    std::copy(values.begin(), values.end(), tensor.data());
    return tensor;
  }

  bool empty() const { return storage_ == nullptr; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t dim(int axis) const { return shape_[axis]; }
  int64_t size() const { return empty() ? 0 : shape_.size(); }
  Device device() const { return empty() ? Device::cpu : storage_->device(); }

  T* data() { return data_; }
  const T* data() const { return data_; }

  /// The elements of a CPU tensor.
  std::span<T> values() {
    require_cpu();
    return {data_, static_cast<size_t>(size())};
  }
  std::span<const T> values() const {
    require_cpu();
    return {data_, static_cast<size_t>(size())};
  }

  void fill(T value) {
    if (device() == Device::cuda) {
      using Word = std::conditional_t<sizeof(T) == 1, uint8_t, uint32_t>;
      cuda::fill(data_, std::bit_cast<Word>(value), size());
      return;
    }
    auto elements = values();
    std::fill(elements.begin(), elements.end(), value);
  }

  /// The same elements under another shape of equal size.
  TensorOf reshape(Shape shape) const {
    EMBER_REQUIRE(shape.size() == size(), "cannot reshape {} to {}", to_string(shape_),
                  to_string(shape));
    TensorOf view = *this;
    view.shape_ = shape;
    return view;
  }

  /// Rows [begin, end) of the first dimension.
  TensorOf rows(int64_t begin, int64_t end) const {
    EMBER_REQUIRE(rank() > 0 && 0 <= begin && begin <= end && end <= dim(0), "rows {} to {} of {}",
                  begin, end, to_string(shape_));
    TensorOf view = *this;
    view.shape_ = shape_.with_rows(end - begin);
    view.data_ += begin * (dim(0) == 0 ? 0 : size() / dim(0));
    return view;
  }

  void copy_from(const TensorOf& other) {
    EMBER_REQUIRE(shape_ == other.shape_, "cannot copy {} to {}", to_string(other.shape_),
                  to_string(shape_));
    copy_bytes(data_, device(), other.data_, other.device(), bytes_of(shape_));
  }

  TensorOf to(Device device) const {
    TensorOf copy(shape_, device);
    copy.copy_from(*this);
    return copy;
  }
  /// This tensor where it lies there already, else a copy.
  TensorOf on(Device device) const { return device == this->device() ? *this : to(device); }
  TensorOf clone() const { return to(device()); }

 private:
  static size_t bytes_of(const Shape& shape) {
    return static_cast<size_t>(shape.size()) * sizeof(T);
  }
  void require_cpu() const {
    EMBER_REQUIRE(device() == Device::cpu,
                  "the elements of a tensor on {} can be read after to(Device::cpu)",
                  to_string(device()));
  }

  Shape shape_;
  std::shared_ptr<Storage> storage_;
  T* data_ = nullptr;
};

using Tensor = TensorOf<float>;         ///< activations, weights, gradients
using ByteTensor = TensorOf<uint8_t>;   ///< images at rest, pooling choices
using LabelTensor = TensorOf<int32_t>;  ///< class indices

}  // namespace ember
