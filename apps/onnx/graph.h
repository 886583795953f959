#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// What an ONNX graph is put together from (https://onnx.ai/onnx/repo-docs/IR.html).
namespace ember {

/// Adds a node. Its output, the value `name/output`, is its `output(0)`.
onnx::NodeProto& add_node(onnx::GraphProto& graph, const std::string& op, const std::string& name,
                          const std::vector<std::string>& inputs);

void set_attribute(onnx::NodeProto& node, const std::string& name, int64_t value);
void set_attribute(onnx::NodeProto& node, const std::string& name, float value);
void set_attribute(onnx::NodeProto& node, const std::string& name, std::span<const int64_t> values);

/// Adds a float32 tensor that is part of the model; returns `name`.
std::string add_initializer(onnx::GraphProto& graph, const std::string& name,
                            std::span<const int64_t> dims, std::span<const float> values);

/// Describes an input or output of the graph, float32 (batch, dims...).
void describe(onnx::ValueInfoProto& value, const std::string& name, std::span<const int64_t> dims);

/// Gives a value that nodes write and read another name.
void rename(onnx::GraphProto& graph, const std::string& from, const std::string& to);

}  // namespace ember
