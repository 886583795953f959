#pragma once

#include <cudnn_graph.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ember::cudnn {

/// An attribute of a descriptor, with its name for messages.
struct Attribute {
  cudnnBackendAttributeName_t id;
  const char* name;
};
#define EMBER_CUDNN_ATTRIBUTE(attribute) \
  ::ember::cudnn::Attribute { CUDNN_ATTR_##attribute, #attribute }

/// The type under which cuDNN takes a value.
constexpr cudnnBackendAttributeType_t type_of(int64_t) { return CUDNN_TYPE_INT64; }
constexpr cudnnBackendAttributeType_t type_of(double) { return CUDNN_TYPE_DOUBLE; }
constexpr cudnnBackendAttributeType_t type_of(bool) { return CUDNN_TYPE_BOOLEAN; }
constexpr cudnnBackendAttributeType_t type_of(void*) { return CUDNN_TYPE_VOID_PTR; }
constexpr cudnnBackendAttributeType_t type_of(cudnnHandle_t) { return CUDNN_TYPE_HANDLE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnDataType_t) { return CUDNN_TYPE_DATA_TYPE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnConvolutionMode_t) {
  return CUDNN_TYPE_CONVOLUTION_MODE;
}
constexpr cudnnBackendAttributeType_t type_of(cudnnPointwiseMode_t) {
  return CUDNN_TYPE_POINTWISE_MODE;
}
constexpr cudnnBackendAttributeType_t type_of(cudnnBackendHeurMode_t) {
  return CUDNN_TYPE_HEUR_MODE;
}
constexpr cudnnBackendAttributeType_t type_of(cudnnBackendNumericalNote_t) {
  return CUDNN_TYPE_NUMERICAL_NOTE;
}

/// A backend descriptor: a node of a graph, an engine, a plan. Copies share it; it stays until the
/// last descriptor that refers to it has gone. Whatever cuDNN refuses throws Error(unavailable)
/// naming the descriptor and the attribute.
class Descriptor {
 public:
  /// `name` is for messages: "convolution".
  Descriptor(cudnnBackendDescriptorType_t type, const char* name);

  template <typename T>
  Descriptor& set(Attribute attribute, T value) {
    put(attribute, type_of(value), 1, &value);
    return *this;
  }
  template <typename T, size_t N>
  Descriptor& set(Attribute attribute, const std::array<T, N>& values) {
    put(attribute, type_of(T{}), N, values.data());
    return *this;
  }
  Descriptor& set(Attribute attribute, const std::string& text);
  Descriptor& set(Attribute attribute, const Descriptor& part);
  Descriptor& set(Attribute attribute, const std::vector<Descriptor>& parts);
  Descriptor& finalize();

  /// An attribute of one value.
  template <typename T>
  T get(Attribute attribute) const {
    T value{};
    take(attribute, type_of(value), 1, &value);
    return value;
  }
  /// An attribute of `most` values at most.
  template <typename T>
  std::vector<T> list(Attribute attribute, int64_t most) const {
    std::vector<T> values(static_cast<size_t>(most));
    const int64_t count = take(attribute, type_of(T{}), most, values.data());
    values.resize(static_cast<size_t>(count));
    return values;
  }
  /// The descriptors that an attribute holds, which cuDNN copies into new ones of this type.
  std::vector<Descriptor> parts(Attribute attribute, cudnnBackendDescriptorType_t type,
                                const char* name) const;

  cudnnBackendDescriptor_t get() const { return node_->handle; }

 private:
  struct Node {
    Node(cudnnBackendDescriptorType_t type, const char* descriptor_name);
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    const char* name;
    cudnnBackendDescriptor_t handle = nullptr;
    std::vector<std::shared_ptr<Node>> parts;
  };

  void put(Attribute attribute, cudnnBackendAttributeType_t type, int64_t count,
           const void* values);
  int64_t take(Attribute attribute, cudnnBackendAttributeType_t type, int64_t room,
               void* values) const;

  std::shared_ptr<Node> node_;
};

}  // namespace ember::cudnn
