#include <doctest/doctest.h>

#include <string>

#include "tensor/cuda/status.h"
#include "tensor/temporary_folder.h"
#include "tests/apps/testing.h"

namespace ember {

TEST_CASE("devices says what there is, and why something is not") {
  const TemporaryFolder folder;
  const Outcome outcome = run(folder.path(), "devices");
  CHECK(outcome.code == 0);
  CHECK(outcome.errors.empty());
  for (const char* name : {"CPU ", "CUDA ", "GPU ", "cuDNN "}) {
    CAPTURE(name);
    const size_t begin = outcome.out.find(name);
    REQUIRE(begin != std::string::npos);
    CHECK((begin == 0 || outcome.out[begin - 1] == '\n'));
  }
}

TEST_CASE("a build with CUDA and no GPU to be seen computes on the CPU, and says why in one line") {
  if (cuda::status().emulated) return;
  const TemporaryFolder folder;
  write_base(folder / "base.safetensors");
  const std::string predict =
      "predict --weights base.safetensors --image-size 32 --features f.safetensors " +
      fmt::format("{}/tests/golden/images/rgb_8.png ", EMBER_SOURCE_DIR);
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  const Outcome fallback = run(folder.path(), predict);
  const Outcome refused = run(folder.path(), predict + "--device cuda");
  const Outcome quiet = run(folder.path(), predict + "--device cpu");
  unsetenv("CUDA_VISIBLE_DEVICES");
  CAPTURE(fallback.errors);
  CHECK(fallback.code == 0);
  CHECK(fallback.errors.starts_with("note: no GPU: "));
  CHECK(fallback.errors.find('\n') == fallback.errors.size() - 1);
  CHECK(refused.code == 69);
  CHECK(refused.errors.starts_with("error: --device cuda: "));
  CHECK(refused.errors.find('\n') == refused.errors.size() - 1);
  CHECK(quiet.code == 0);
  CHECK(quiet.errors.empty());
}

}  // namespace ember
