// What `export` writes, judged by ONNX's own checker; tests/weights/test_onnx.py lets a runtime
// compute it.

#include <doctest/doctest.h>
#include <onnx/checker.h>
#include <onnx/shape_inference/implementation.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "apps/onnx/model.h"
#include "nn/add.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "tensor/temporary_folder.h"
#include "tests/apps/testing.h"
#include "tests/kernels/testing.h"

namespace ember {
namespace {

using Numbers = std::vector<int64_t>;

ModelDescription mobilenet(std::vector<std::string> classes, PaddingConvention padding) {
  return {.width_multiplier = 0.35,
          .classes = std::move(classes),
          .image_size = 64,
          .padding = padding};
}

const std::map<std::string, ModelDescription>& descriptions() {
  static const std::map<std::string, ModelDescription> all{
      {"baseline", {.architecture = "baseline_cnn", .classes = {"a", "b"}, .image_size = 37}},
      {"mobilenet", mobilenet({"a", "b", "c"}, PaddingConvention::tensorflow)},
      {"mobilenet_pytorch", mobilenet({"a", "b"}, PaddingConvention::pytorch)},
      {"base", mobilenet({}, PaddingConvention::tensorflow)},
  };
  return all;
}

/// What the program makes of a network with random weights.
onnx::ModelProto exported(const ModelDescription& description, const std::string& batch_norm) {
  const TemporaryFolder folder;
  Model model = build_model(description);
  model.initialize(1);
  save_model(folder / "w.safetensors", model, description);
  const Outcome outcome =
      run(folder.path(), "export --weights w.safetensors --batch-norm " + batch_norm + " w.onnx");
  CAPTURE(outcome.errors);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.out.starts_with("w.onnx: "));
  onnx::ModelProto result;
  REQUIRE(result.ParseFromString(content(folder / "w.onnx")));
  return result;
}

const onnx::NodeProto& node_of(const onnx::ModelProto& model, const std::string& name) {
  const auto& nodes = model.graph().node();
  const auto found =
      std::find_if(nodes.begin(), nodes.end(), [&](const auto& n) { return n.name() == name; });
  REQUIRE(found != nodes.end());
  return *found;
}

Numbers numbers_of(const onnx::NodeProto& node, const std::string& attribute) {
  const auto& all = node.attribute();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.name() == attribute; });
  REQUIRE(found != all.end());
  return {found->ints().begin(), found->ints().end()};
}

std::set<std::string> names_of_type(const onnx::ModelProto& model, const std::string& op) {
  std::set<std::string> names;
  for (const auto& node : model.graph().node()) {
    if (node.op_type() == op) names.insert(node.name());
  }
  return names;
}

std::set<std::string> tensor_names(const onnx::ModelProto& model) {
  std::set<std::string> names;
  for (const auto& tensor : model.graph().initializer()) names.insert(tensor.name());
  return names;
}

std::map<std::string, std::string> metadata_of(const onnx::ModelProto& model) {
  std::map<std::string, std::string> metadata;
  for (const auto& entry : model.metadata_props()) metadata[entry.key()] = entry.value();
  return metadata;
}

}  // namespace

TEST_CASE("export: ONNX's checker takes every architecture, folded and kept") {
  for (const auto& entry : descriptions()) {
    const ModelDescription& description = entry.second;
    for (const char* batch_norm : {"fold", "keep"}) {
      CAPTURE(entry.first);
      CAPTURE(batch_norm);
      onnx::ModelProto model = exported(description, batch_norm);
      CHECK(model.ir_version() == 8);
      REQUIRE(model.opset_import_size() == 1);
      CHECK(model.opset_import(0).version() == 17);
      CHECK_NOTHROW(onnx::checker::check_model(model));
      // Strict: throws where a shape that follows differs from the one that is declared.
      const onnx::ShapeInferenceOptions strict(true, 1, true);
      CHECK_NOTHROW(
          onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), strict));
      CHECK(model.graph().value_info_size() >= model.graph().node_size() - 2);

      const auto& input = model.graph().input(0);
      CHECK(input.name() == "images");
      const auto& dims = input.type().tensor_type().shape();
      CHECK(dims.dim(0).dim_param() == "batch");
      CHECK(dims.dim(1).dim_value() == 3);
      CHECK(dims.dim(2).dim_value() == description.image_size);
      const bool head = !description.classes.empty();
      REQUIRE(model.graph().output_size() == (head ? 2 : 1));
      CHECK(model.graph().output(0).name() == (head ? "logits" : "features"));
      if (head) CHECK(model.graph().output(1).name() == "probabilities");
    }
  }
}

TEST_CASE("export: nodes carry the layers' names, tensors the parameters'") {
  for (const auto& entry : descriptions()) {
    const ModelDescription& description = entry.second;
    CAPTURE(entry.first);
    std::set<std::string> parameters;
    for (const auto& [parameter, tensor] : weights_of(build_model(description))) {
      parameters.insert(parameter);
    }
    const onnx::ModelProto kept = exported(description, "keep");
    CHECK(tensor_names(kept) == parameters);
    CHECK(metadata_of(kept)["ember.batch_norm"] == "kept");
    CHECK(metadata_of(kept)["ember.folded"] == "{}");

    const onnx::ModelProto folded = exported(description, "fold");
    CHECK(names_of_type(folded, "BatchNormalization").empty());
    for (const std::string& convolution : names_of_type(folded, "Conv")) {
      CHECK(tensor_names(folded).contains(convolution + "/kernel"));
      CHECK(tensor_names(folded).contains(convolution + "/bias"));
    }
    CHECK(metadata_of(folded)["ember.batch_norm"] == "folded");
  }
}

TEST_CASE("export: padding on four sides, ReLU6, no dropout, the order of a flattened image") {
  const onnx::ModelProto tensorflow = exported(descriptions().at("mobilenet"), "fold");
  const onnx::ModelProto pytorch = exported(descriptions().at("mobilenet_pytorch"), "fold");
  for (const char* name : {"Conv1", "block_1_depthwise"}) {  // of stride 2
    CHECK(numbers_of(node_of(tensorflow, name), "pads") == Numbers{0, 0, 1, 1});
    CHECK(numbers_of(node_of(pytorch, name), "pads") == Numbers{1, 1, 1, 1});
    CHECK(numbers_of(node_of(pytorch, name), "strides") == Numbers{2, 2});
  }
  CHECK(numbers_of(node_of(tensorflow, "block_2_depthwise"), "pads") == Numbers{1, 1, 1, 1});
  CHECK(node_of(tensorflow, "out_relu").op_type() == "Clip");
  CHECK(names_of_type(tensorflow, "Clip").size() == 35);
  CHECK(names_of_type(tensorflow, "Add").size() == 10);
  CHECK(names_of_type(tensorflow, "Dropout").empty());

  const onnx::ModelProto baseline = exported(descriptions().at("baseline"), "fold");
  CHECK(numbers_of(node_of(baseline, "flatten/nhwc"), "perm") == Numbers{0, 2, 3, 1});
  CHECK(names_of_type(baseline, "Relu") ==
        std::set<std::string>{"conv2d/relu", "conv2d_1/relu", "dense/relu"});
  CHECK(numbers_of(node_of(baseline, "max_pooling2d"), "strides") == Numbers{2, 2});
}

TEST_CASE("export: metadata say how to make an input, and what the network is") {
  auto metadata = metadata_of(exported(descriptions().at("mobilenet"), "fold"));
  CHECK(metadata["input.layout"] == "NCHW");
  CHECK(metadata["input.height"] == "64");
  CHECK(metadata["input.mean"] == "[0,0,0]");
  CHECK(metadata["input.std"] == "[255,255,255]");
  CHECK(metadata["classes"] == R"(["a","b","c"])");
  for (const auto& [key, value] : metadata_of(descriptions().at("mobilenet"))) {
    CHECK(metadata["ember." + key] == value);
  }
  const auto folded = nlohmann::json::parse(metadata["ember.folded"]);
  CHECK(folded.size() == 52);
  CHECK(folded["bn_Conv1"]["convolution"] == "Conv1");
  CHECK(folded["bn_Conv1"]["bias"] == false);
  CHECK(folded["bn_Conv1"]["epsilon"] == doctest::Approx(1e-3));

  ModelDescription imagenet = descriptions().at("base");
  imagenet.scale = "imagenet";
  metadata = metadata_of(exported(imagenet, "keep"));
  CHECK(metadata["input.mean"] == "[123.675,116.28,103.53]");
  CHECK(metadata["input.std"] == "[58.395,57.12,57.375]");
  CHECK_FALSE(metadata.contains("classes"));
  CHECK_FALSE(metadata.contains("input.margin"));

  ModelDescription faces = descriptions().at("mobilenet");
  faces.margin = 12.5;
  metadata = metadata_of(exported(faces, "fold"));
  CHECK(metadata["input.margin"] == "12.5");
  CHECK(metadata["input.crop"].find("a square about each face") == 0);
  CHECK(metadata["input.resize"].find("halved") == 0);
}

TEST_CASE("export: a BatchNorm folds into a convolution that nothing else reads, and only there") {
  const auto conv = [](const char* name, Activation activation = Activation::linear) {
    return Conv2D(name, {.filters = 3, .kernel = {1, 1}, .pixels = {}, .activation = activation});
  };
  Model model("odd", {4, 4, 3});
  model.add(BatchNorm("of_images"));
  model.add(conv("plain"));
  model.add(BatchNorm("of_plain"));
  const Value read_twice = model.add(conv("read_twice"));
  const Value normalised = model.add(BatchNorm("of_read_twice"));
  model.add(Add("sum"), {read_twice, normalised});
  model.add(BatchNorm("of_sum"));
  model.add(conv("active", Activation::relu));
  model.add(BatchNorm("of_active"));
  const onnx::ModelProto folded = onnx_model(model, {}, BatchNormForm::folded);
  CHECK(names_of_type(folded, "BatchNormalization") ==
        std::set<std::string>{"of_active", "of_images", "of_read_twice", "of_sum"});
  CHECK(node_of(folded, "read_twice").input(0) == node_of(folded, "plain").output(0));
  CHECK(nlohmann::json::parse(metadata_of(folded)["ember.folded"])["of_plain"]["bias"] == true);
  CHECK_NOTHROW(onnx::checker::check_model(folded));
  CHECK(names_of_type(onnx_model(model, {}, BatchNormForm::kept), "BatchNormalization").size() ==
        5);
}

TEST_CASE("export: a convolution with bias and its BatchNorm are one with other weights") {
  const auto convolution = [] {
    return Conv2D("conv",
                  {.filters = 4, .kernel = {3, 2}, .padding = PaddingRule::same, .pixels = {}});
  };
  Model model("two", {5, 6, 3});
  model.add(convolution());
  model.add(BatchNorm("norm", 0.1f));
  uint64_t seed = 0;
  model.for_each_parameter([&](Layer&, Parameter& parameter) {
    parameter.value.copy_from(random_uniform(parameter.value.shape(), 0.2f, 1.0f, ++seed));
  });
  Model one("one", {5, 6, 3});
  one.add(convolution());
  const onnx::ModelProto folded = onnx_model(model, {}, BatchNormForm::folded);
  REQUIRE(folded.graph().initializer_size() == 2);
  const auto values = [&](int index) {
    const std::string& bytes = folded.graph().initializer(index).raw_data();
    return std::span(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
  };
  Tensor& kernel = one.layer("conv").parameter("kernel").value;  // (4, 3, 2, 3)
  for (int64_t i = 0; i < kernel.size(); ++i) {
    const int64_t output = i / 18, tap = i / 3 % 6, input = i % 3;
    kernel.data()[i] = values(0)[static_cast<size_t>((output * 3 + input) * 6 + tap)];
  }
  one.layer("conv").parameter("bias").value = Tensor::from({4}, values(1));

  const Tensor images = random_uniform({2, 5, 6, 3}, -1, 1, 1);
  const Tensor expected = model.forward(images, {});
  const Tensor actual = one.forward(images, {});
  for (int64_t i = 0; i < expected.size(); ++i) {
    CHECK(actual.data()[i] == doctest::Approx(expected.data()[i]).epsilon(1e-5));
  }
}

TEST_CASE("export: what cannot be exported is refused, and leaves nothing") {
  const TemporaryFolder folder;
  write_base(folder / "base.safetensors");
  write_text(folder / "text.safetensors", "no weights");
  write_text(folder / "earlier.onnx", "earlier");
  ModelDescription odd = descriptions().at("base");
  const Model model = build_model(odd);
  odd.image_size = 100;
  save_model(folder / "odd.safetensors", model, odd);
  const auto refused = [&](const std::string& command, int code, const std::string& part) {
    check_refused(folder.path(), command, code, part);
    CHECK_FALSE(std::filesystem::exists(folder / "out.onnx"));
  };
  refused("export --weights nowhere.safetensors out.onnx", 66, "nowhere.safetensors");
  refused("export --weights text.safetensors out.onnx", 65, "text.safetensors");
  refused("export --weights text.safetensors earlier.onnx", 65, "text.safetensors");
  CHECK(content(folder / "earlier.onnx") == "earlier");
  refused("export --weights odd.safetensors out.onnx", 65,
          "image_size is `100`, and mobilenet_v2 takes multiples of 32");
  refused("export --weights base.safetensors out.pb", 64, "out.pb");
  refused("export --weights base.safetensors nowhere/out.onnx", 73, "nowhere/out.onnx");
  refused("export --weights base.safetensors --batch-norm drop out.onnx", 64, "'drop'");
  refused("export --weights base.safetensors", 64, "OUTPUT");
  refused("export out.onnx", 64, "--weights");
}

}  // namespace ember
