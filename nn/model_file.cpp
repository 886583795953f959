#include "nn/model_file.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

namespace ember {
namespace {

constexpr const char* kFormat = "ember-1";

/// Reads the metadata of one file; every failure names the file and the key.
class MetadataReader {
 public:
  MetadataReader(const std::filesystem::path& path,
                 const std::map<std::string, std::string>& metadata)
      : path_(path), metadata_(metadata) {}

  bool has(const std::string& key) const { return metadata_.contains(key); }

  std::string text(const std::string& key) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) {
      fail(ExitCode::data,
           "{}: not a weights file of Ember: no `{}` in its metadata; convert it as "
           "weights/README.md says",
           path_.string(), key);
    }
    return found->second;
  }

  std::string one_of(const std::string& key, const std::vector<std::string>& known) const {
    std::string value = text(key);
    if (std::find(known.begin(), known.end(), value) == known.end()) {
      fail(ExitCode::data, "{}: {} is `{}`; known are {}", path_.string(), key, value,
           fmt::join(known, ", "));
    }
    return value;
  }

  template <typename T>
  T number(const std::string& key, T lowest, T highest) const {
    const std::string value = text(key);
    T result{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    if (error != std::errc() || end != value.data() + value.size() ||
        !(result >= lowest && result <= highest)) {
      fail(ExitCode::data, "{}: {} is `{}`, not a number from {} to {}", path_.string(), key, value,
           lowest, highest);
    }
    return result;
  }

  /// Of images that a network takes.
  int64_t side(const std::string& key, const Architecture& network) const {
    const auto side = number<int64_t>(key, 1, kLargestSide);
    if (!network.takes(side)) {
      fail(ExitCode::data, "{}: {} is `{}`, and {} takes {}; convert it as weights/README.md says",
           path_.string(), key, side, network.name, network.sides());
    }
    return side;
  }

  std::vector<std::string> names(const std::string& key) const {
    const auto json = nlohmann::json::parse(text(key), nullptr, false);
    const bool strings =
        json.is_array() &&
        std::all_of(json.begin(), json.end(), [](const auto& item) { return item.is_string(); });
    if (!strings) fail(ExitCode::data, "{}: {} is not a JSON list of names", path_.string(), key);
    return json.get<std::vector<std::string>>();
  }

 private:
  const std::filesystem::path& path_;
  const std::map<std::string, std::string>& metadata_;
};

ModelDescription read_description(const MetadataReader& metadata) {
  metadata.one_of("format", {kFormat});
  ModelDescription description;
  description.architecture = metadata.one_of("architecture", architecture_names());
  description.classes = metadata.names("classes");
  description.image_size = metadata.side("image_size", architecture(description.architecture));
  description.scale = metadata.one_of("scale", {"unit", "symmetric", "imagenet"});
  if (metadata.has("margin")) description.margin = metadata.number<double>("margin", 0, 1000);
  if (architecture(description.architecture).has_width) {
    description.width_multiplier = metadata.number<double>("width_multiplier", 0.05, 8.0);
  }
  if (description.architecture == "mobilenet_v2") {
    description.padding = metadata.one_of("padding", {"tensorflow", "pytorch"}) == "pytorch"
                              ? PaddingConvention::pytorch
                              : PaddingConvention::tensorflow;
    description.batch_norm_epsilon = metadata.number<float>("batch_norm_epsilon", 1e-12f, 1.0f);
  }
  return description;
}

}  // namespace

std::map<std::string, std::string> metadata_of(const ModelDescription& description) {
  // {} of {fmt} is the shortest decimal that reads back as the same number; "1" is written "1.0".
  const auto decimal = [](auto number) {
    const std::string text = fmt::format("{}", number);
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  };
  std::map<std::string, std::string> metadata{
      {"format", kFormat},
      {"architecture", description.architecture},
      {"classes", nlohmann::json(description.classes).dump()},
      {"image_size", fmt::format("{}", description.image_size)},
      {"scale", description.scale},
  };
  if (description.margin) metadata["margin"] = decimal(*description.margin);
  if (architecture(description.architecture).has_width) {
    metadata["width_multiplier"] = decimal(description.width_multiplier);
  }
  if (description.architecture == "mobilenet_v2") {
    metadata["padding"] =
        description.padding == PaddingConvention::pytorch ? "pytorch" : "tensorflow";
    metadata["batch_norm_epsilon"] = decimal(description.batch_norm_epsilon);
  }
  return metadata;
}

ModelFile read_model_file(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  ModelFile result{
      .path = path, .description = read_description({path, file.metadata()}), .tensors = {}};
  for (const std::string& name : file.names()) result.tensors[name] = file.tensor(name);
  return result;
}

std::map<std::string, Tensor> weights_of(const Model& model) {
  std::map<std::string, Tensor> weights;
  model.for_each_parameter([&](const Layer& layer, const Parameter& parameter) {
    weights[name_of(layer, parameter)] = parameter.value.on(Device::cpu);
  });
  return weights;
}

Model load_model(const ModelFile& file) {
  Model model = build_model(file.description);
  load_weights(model, file);
  return model;
}

void load_weights(Model& model, const ModelFile& file) { load_weights(model, file, model.last()); }

void load_weights(Model& model, const ModelFile& file, Value last) {
  std::vector<std::string> complaints;
  std::set<std::string> known;
  for (Value value = 0; value <= model.last(); ++value) {
    Layer& layer = model.layer(value);
    for (Parameter& parameter : layer.parameters()) {
      const std::string name = name_of(layer, parameter);
      known.insert(name);
      if (value > last) continue;
      const auto found = file.tensors.find(name);
      if (found == file.tensors.end()) {
        complaints.push_back(fmt::format("{} is missing", name));
      } else if (found->second.shape() != parameter.value.shape()) {
        complaints.push_back(fmt::format("{} is {}, not {}", name, to_string(found->second.shape()),
                                         to_string(parameter.value.shape())));
      }
    }
  }
  for (const auto& [name, tensor] : file.tensors) {
    if (!known.contains(name)) complaints.push_back(fmt::format("{} is unexpected", name));
  }
  if (!complaints.empty()) {
    fail(ExitCode::data, "{}: does not fit {}: {}", file.path.string(), model.name(),
         fmt::join(complaints, "; "));
  }
  for (Value value = 0; value <= last; ++value) {
    Layer& layer = model.layer(value);
    for (Parameter& parameter : layer.parameters()) {
      parameter.value.copy_from(file.tensors.at(name_of(layer, parameter)));
    }
  }
}

void save_model(const std::filesystem::path& path, const Model& model,
                const ModelDescription& description) {
  write_safetensors(path, {.metadata = metadata_of(description), .tensors = weights_of(model)});
}

}  // namespace ember
