#include "kernels/cudnn/descriptor.h"

#include <fmt/format.h>

#include "kernels/cudnn/api.h"

namespace ember::cudnn {

Descriptor::Node::Node(cudnnBackendDescriptorType_t type, const char* descriptor_name)
    : name(descriptor_name) {
  check(api().create_descriptor(type, &handle), name);
}

Descriptor::Node::~Node() { api().destroy_descriptor(handle); }

Descriptor::Descriptor(cudnnBackendDescriptorType_t type, const char* name)
    : node_(std::make_shared<Node>(type, name)) {}

void Descriptor::put(Attribute attribute, cudnnBackendAttributeType_t type, int64_t count,
                     const void* values) {
  check(api().set_attribute(get(), attribute.id, type, count, values),
        fmt::format("{}: {}", node_->name, attribute.name));
}

int64_t Descriptor::take(Attribute attribute, cudnnBackendAttributeType_t type, int64_t room,
                         void* values) const {
  int64_t count = 0;
  check(api().get_attribute(get(), attribute.id, type, room, &count, values),
        fmt::format("{}: {}", node_->name, attribute.name));
  return count;
}

Descriptor& Descriptor::set(Attribute attribute, const std::string& text) {
  put(attribute, CUDNN_TYPE_CHAR, static_cast<int64_t>(text.size()) + 1, text.c_str());
  return *this;
}

Descriptor& Descriptor::set(Attribute attribute, const Descriptor& part) {
  return set(attribute, std::vector{part});
}

Descriptor& Descriptor::set(Attribute attribute, const std::vector<Descriptor>& parts) {
  std::vector<cudnnBackendDescriptor_t> handles;
  for (const Descriptor& part : parts) {
    handles.push_back(part.get());
    node_->parts.push_back(part.node_);
  }
  put(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(handles.size()),
      handles.data());
  return *this;
}

Descriptor& Descriptor::finalize() {
  check(api().finalize(get()), fmt::format("{}: finalize", node_->name));
  return *this;
}

std::vector<Descriptor> Descriptor::parts(Attribute attribute, cudnnBackendDescriptorType_t type,
                                          const char* name) const {
  const int64_t count = take(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
  std::vector<Descriptor> parts;
  std::vector<cudnnBackendDescriptor_t> handles;
  for (int64_t i = 0; i < count; ++i) {
    handles.push_back(parts.emplace_back(type, name).get());
  }
  if (count > 0) {
    const int64_t written = take(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, handles.data());
    parts.erase(parts.begin() + written, parts.end());
  }
  return parts;
}

}  // namespace ember::cudnn
