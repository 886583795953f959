// MobileNetV2 with true weights against Keras, and its files.
#include "nn/mobilenet_v2.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "data/image.h"
#include "data/resize.h"
#include "data/scaling.h"
#include "kernels/global_average_pool.h"
#include "nn/model_file.h"
#include "tensor/temporary_folder.h"
#include "tests/golden.h"
#include "tests/nn/imagenet.h"

namespace ember {
namespace {

constexpr const char* kPhotos[] = {"117", "355", "386", "446", "5",
                                   "525", "659", "702", "717", "87"};

Tensor scaled_photo(const std::filesystem::path& file, int64_t side, Scale scale) {
  ByteTensor resized({side, side, 3});
  resize_bilinear(read_image(file), resized);
  Tensor image({1, side, side, 3});
  scale_pixels(resized.reshape(image.shape()), scale, image);
  return image;
}

Tensor pooled(const Tensor& feature_map) {
  Tensor y({feature_map.dim(0), feature_map.dim(3)});
  global_average_pool_forward(feature_map, {}, y);
  return y;
}

}  // namespace

TEST_CASE("feature maps of true photos equal Keras's at 128 and at 224") {
  const auto photos = test_asset("data/face-mask-detection-png/images");
  const auto weights = imagenet_weights();
  if (!photos || !weights) return;
  CHECK(weights->description.scale == "symmetric");

  const SafetensorsFile golden = golden_file("mobilenet");
  for (const int64_t side : {128, 224}) {
    Model model = mobilenet_v2_base({.image_size = side});
    load_weights(model, *weights);
    for (const std::string name : kPhotos) {
      const std::string photo = fmt::format("maksssksksss{}.png", name);
      const Tensor map = model.forward(scaled_photo(*photos / photo, side, Scale::symmetric), {});
      const std::string key = fmt::format("{}/{}", side, photo);
      if (golden.contains(key + "/feature_map")) {
        check_golden(golden, key + "/feature_map",
                     map.reshape({map.dim(1), map.dim(2), map.dim(3)}));
      }
      const Tensor features = pooled(map);
      check_golden(golden, key + "/pooled", features.reshape({features.dim(1)}));
    }
  }
}

TEST_CASE("a model file round trip keeps every weight and the description") {
  const TemporaryFolder folder;
  const ModelDescription description{.width_multiplier = 0.35,
                                     .classes = {"yes", "no, \"never\""},
                                     .image_size = 64,
                                     .scale = "imagenet",
                                     .padding = PaddingConvention::pytorch,
                                     .batch_norm_epsilon = 1e-5f,
                                     .margin = 12.5};
  Model model = build_model(description);
  model.initialize(3);
  save_model(folder / "model.safetensors", model, description);

  const ModelFile file = read_model_file(folder / "model.safetensors");
  CHECK(file.description.classes == description.classes);
  CHECK(file.description.width_multiplier == 0.35);
  CHECK(file.description.batch_norm_epsilon == 1e-5f);
  CHECK(file.description.padding == PaddingConvention::pytorch);
  CHECK(file.description.scale == "imagenet");
  CHECK(file.description.margin == 12.5);
  Model again = build_model(file.description);
  load_weights(again, file);
  again.for_each_parameter([&](Layer& layer, Parameter& parameter) {
    const auto expected = model.layer(layer.name()).parameter(parameter.variable).value.values();
    const auto values = parameter.value.values();
    CHECK(std::equal(values.begin(), values.end(), expected.begin(), expected.end()));
  });
}

TEST_CASE("weights that do not fit are refused with all their faults") {
  const TemporaryFolder folder;
  const ModelDescription description{.width_multiplier = 0.35, .classes = {}, .image_size = 32};
  Model base = build_model(description);
  save_model(folder / "base.safetensors", base, description);
  ModelFile file = read_model_file(folder / "base.safetensors");
  file.tensors.erase("Conv1/kernel");
  file.tensors["bn_Conv1/gamma"] = Tensor::zeros({3});
  file.tensors["extra/kernel"] = Tensor::zeros({1});
  CHECK_THROWS_WITH_AS(load_weights(base, file), doctest::Contains("Conv1/kernel is missing"),
                       Error);
  CHECK_THROWS_WITH_AS(load_weights(base, file),
                       doctest::Contains("bn_Conv1/gamma is (3), not (16)"), Error);
  CHECK_THROWS_WITH_AS(load_weights(base, file), doctest::Contains("extra/kernel is unexpected"),
                       Error);

  SUBCASE("a base without a head serves a model with one, whose head stays as it is") {
    const ModelFile sound = read_model_file(folder / "base.safetensors");
    Model transfer = mobilenet_v2({.image_size = 32, .width_multiplier = 0.35}, 3);
    CHECK_THROWS_WITH_AS(load_weights(transfer, sound),
                         doctest::Contains("dense/kernel is missing"), Error);
    CHECK_NOTHROW(load_weights(transfer, sound, base_end(transfer)));
  }
  SUBCASE("a file of somebody else is refused with a reason") {
    write_safetensors(folder / "other.safetensors",
                      {.metadata = {}, .tensors = {{"a", Tensor::zeros({1})}}});
    CHECK_THROWS_WITH_AS(read_model_file(folder / "other.safetensors"),
                         doctest::Contains("not a weights file of Ember"), Error);
  }
}

}  // namespace ember
