#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdlib>

#include "nn/model_file.h"
#include "tensor/temporary_folder.h"
#include "tests/files.h"
#include "tests/golden.h"

namespace ember {
namespace {

/// weights/convert_torch's exit code.
int convert_torch(const std::filesystem::path& source, const std::filesystem::path& output) {
  const std::string command = fmt::format("'{}/weights/convert_torch' '{}' '{}' > /dev/null 2>&1",
                                          EMBER_SOURCE_DIR, source.string(), output.string());
  return WEXITSTATUS(std::system(command.c_str()));
}

}  // namespace

TEST_CASE("A model converted from PyTorch computes torchvision's features") {
  const TemporaryFolder folder;
  const std::filesystem::path weights = folder / "weights.safetensors";
  const int status = convert_torch(golden_folder() / "torchvision_state.safetensors", weights);
  if (status == static_cast<int>(ExitCode::unavailable)) {
    MESSAGE("skipped: weights/convert_torch finds no Python with numpy");
    return;
  }
  REQUIRE(status == 0);

  const ModelFile file = read_model_file(weights);
  CHECK(file.description.padding == PaddingConvention::pytorch);
  CHECK(file.description.batch_norm_epsilon == 1e-5f);
  CHECK(file.description.scale == "imagenet");

  ModelDescription at_64 = file.description;
  at_64.image_size = 64;
  Model model = build_model(at_64);
  load_weights(model, file);
  const SafetensorsFile golden = golden_file("torchvision_features");
  const Tensor features = model.forward(golden.tensor("input"), {});
  check_golden(golden, "feature_map", features);

  // The two writers of weights files agree on every byte.
  save_model(folder / "again.safetensors", model, file.description);
  CHECK(content(folder / "again.safetensors") == content(weights));
}

}  // namespace ember
