#include "tests/cudnn/stand_in.h"

#include <cudnn_graph.h>

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

CudnnStandIn cudnn_stand_in;

namespace {

using Bytes = std::vector<unsigned char>;

size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR:
      return 1;
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:  // enumerations
      return 4;
  }
}

struct Node {
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<cudnnBackendAttributeName_t, Bytes> attributes;

  template <typename T>
  std::vector<T> list(cudnnBackendAttributeName_t name) const {
    constexpr size_t kSize = sizeof(T);  // NOLINT(bugprone-sizeof-expression): of a pointer, too
    const Bytes& bytes = attributes.at(name);
    std::vector<T> values(bytes.size() / kSize);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  template <typename T>
  T value(cudnnBackendAttributeName_t name) const {
    return list<T>(name).at(0);
  }
  bool flag(cudnnBackendAttributeName_t name) const { return attributes.at(name).at(0) != 0; }
  const Node& part(cudnnBackendAttributeName_t name) const { return *value<Node*>(name); }
};

std::string last_error;

cudnnStatus_t refuse(cudnnStatus_t status, const std::string& reason) {
  last_error = reason;
  return status;
}

/// A tensor of a graph in double precision, at the places that its strides say.
struct Operand {
  explicit Operand(const Node& tensor)
      : id(tensor.value<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        sizes(tensor.list<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
        strides(tensor.list<int64_t>(CUDNN_ATTR_TENSOR_STRIDES)),
        in_memory(!tensor.flag(CUDNN_ATTR_TENSOR_IS_VIRTUAL)) {
    int64_t count = 1;
    for (size_t i = 0; i < 4; ++i) count += (sizes[i] - 1) * strides[i];
    values.resize(static_cast<size_t>(count));
  }

  double& at(int64_t a, int64_t b, int64_t c, int64_t d) {
    return values[static_cast<size_t>(a * strides[0] + b * strides[1] + c * strides[2] +
                                      d * strides[3])];
  }
  void read(const float* from) { values.assign(from, from + values.size()); }
  void write(float* to) const {
    const std::vector<float> rounded(values.begin(), values.end());
    cudnn_stand_in.write(to, rounded.data(), rounded.size() * sizeof(float));
  }

  int64_t id;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
  bool in_memory;
  std::vector<double> values;
};

/// Calls body(x, weight, y) with the elements of each product of the convolution.
template <typename Body>
void for_each_product(const Node& window, Operand& x, Operand& weight, Operand& y,
                      const Body& body) {
  const auto stride = window.list<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  const auto before = window.list<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  const int64_t inputs = weight.sizes[1];  // of a group
  const int64_t outputs = weight.sizes[0] / (x.sizes[1] / inputs);
  for (int64_t n = 0; n < y.sizes[0]; ++n) {
    for (int64_t o = 0; o < y.sizes[1]; ++o) {
      for (int64_t pixel = 0; pixel < y.sizes[2] * y.sizes[3]; ++pixel) {
        const int64_t oh = pixel / y.sizes[3];
        const int64_t ow = pixel % y.sizes[3];
        for (int64_t tap = 0; tap < weight.sizes[2] * weight.sizes[3]; ++tap) {
          const int64_t kh = tap / weight.sizes[3];
          const int64_t kw = tap % weight.sizes[3];
          const int64_t h = oh * stride[0] + kh - before[0];
          const int64_t w = ow * stride[1] + kw - before[1];
          if (h < 0 || h >= x.sizes[2] || w < 0 || w >= x.sizes[3]) continue;
          for (int64_t i = 0; i < inputs; ++i) {
            body(x.at(n, o / outputs * inputs + i, h, w), weight.at(o, i, kh, kw),
                 y.at(n, o, oh, ow));
          }
        }
      }
    }
  }
}

using Pointers = std::map<int64_t, float*>;

/// The result of one direction's operation; the attributes' names are the direction's.
struct Names {
  cudnnBackendAttributeName_t window, x, weight, y, beta;
};

Operand convolve(const Node& operation, const Names& names, const Pointers& pointers) {
  Operand x(operation.part(names.x));
  Operand weight(operation.part(names.weight));
  Operand y(operation.part(names.y));
  const double beta = operation.value<double>(names.beta);
  const auto type = operation.type;
  Operand& result = type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? y
                    : type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? x
                                                                                           : weight;
  for (Operand* operand : {&x, &weight, &y}) {
    if (operand != &result || beta != 0) operand->read(pointers.at(operand->id));
  }
  for (double& value : result.values) value *= beta;
  for_each_product(operation.part(names.window), x, weight, y,
                   [&](double& of_x, double& of_weight, double& of_y) {
                     if (&result == &y) of_y += of_x * of_weight;
                     if (&result == &x) of_x += of_y * of_weight;
                     if (&result == &weight) of_weight += of_x * of_y;
                   });
  return result;
}

void execute(const Node& graph, const Pointers& pointers) {
  const auto operations = graph.list<Node*>(CUDNN_ATTR_OPERATIONGRAPH_OPS);
  const Node& first = *operations.at(0);
  const std::map<cudnnBackendDescriptorType_t, Names> vocabulary{
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
       {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA}},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
       {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA}},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
       {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}}};
  Operand result = convolve(first, vocabulary.at(first.type), pointers);
  if (operations.size() == 1) return result.write(pointers.at(result.id));

  const Node& addition = *operations.at(1);
  Operand bias(addition.part(CUDNN_ATTR_OPERATION_POINTWISE_BDESC));
  const Operand sum(addition.part(CUDNN_ATTR_OPERATION_POINTWISE_YDESC));
  if (result.in_memory || !sum.in_memory) throw std::runtime_error("a graph that adds no bias");
  bias.read(pointers.at(bias.id));
  for (int64_t n = 0; n < result.sizes[0]; ++n) {
    for (int64_t o = 0; o < result.sizes[1]; ++o) {
      for (int64_t pixel = 0; pixel < result.sizes[2] * result.sizes[3]; ++pixel) {
        result.at(n, o, pixel / result.sizes[3], pixel % result.sizes[3]) += bias.at(0, o, 0, 0);
      }
    }
  }
  result.write(pointers.at(sum.id));
}

Node* node_of(cudnnBackendDescriptor_t descriptor) { return static_cast<Node*>(descriptor); }

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return cudnn_stand_in.version; }

const char* cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_EXECUTION_FAILED ? "CUDNN_STATUS_EXECUTION_FAILED"
                                                 : "CUDNN_STATUS_BAD_PARAM";
}

void cudnnGetLastErrorString(char* message, size_t room) {
  std::strncpy(message, last_error.c_str(), room - 1);
  message[room - 1] = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  static int anything;
  *handle = reinterpret_cast<cudnnHandle_t>(&anything);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t cudnnSetStream(cudnnHandle_t, cudaStream_t) { return CUDNN_STATUS_SUCCESS; }

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  // Kept to the end: a configuration refers to its graph, which Ember may drop before.
  static std::vector<std::unique_ptr<Node>> nodes;
  nodes.push_back(std::make_unique<Node>(Node{type, false, {}}));
  *descriptor = nodes.back().get();
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t) {
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* values) {
  Node& node = *node_of(descriptor);
  if (node.finalized) return refuse(CUDNN_STATUS_BAD_PARAM, "set after finalize");
  const auto* bytes = static_cast<const unsigned char*>(values);
  node.attributes[name] = Bytes(bytes, bytes + static_cast<size_t>(count) * size_of(type));
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  node_of(descriptor)->finalized = true;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t room, int64_t* count,
                                       void* values) {
  const Node& node = *node_of(descriptor);
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:  // one configuration, which remembers its graph
      *count = cudnn_stand_in.refuse_plans ? 0 : 1;
      if (room > 0) {
        (*static_cast<Node**>(values))->attributes = node.attributes;
      }
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      *count = 1;
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      *count = 0;
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      *count = 1;
      *static_cast<int64_t*>(values) = 64;
      return CUDNN_STATUS_SUCCESS;
    default:
      return refuse(CUDNN_STATUS_BAD_PARAM, "an attribute that the stand-in does not know");
  }
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  if (cudnn_stand_in.refuse_execution) {
    return refuse(CUDNN_STATUS_EXECUTION_FAILED, "the stand-in was told to fail");
  }
  try {
    const auto ids = node_of(pack)->list<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const auto memory = node_of(pack)->list<float*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    Pointers pointers;
    for (size_t i = 0; i < ids.size(); ++i) pointers[ids[i]] = memory.at(i);
    const Node& configuration = node_of(plan)->part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    execute(configuration.part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH), pointers);
  } catch (const std::exception& error) {
    return refuse(CUDNN_STATUS_BAD_PARAM, error.what());
  }
  ++cudnn_stand_in.executed;
  return CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
