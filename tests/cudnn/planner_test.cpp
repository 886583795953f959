#include "kernels/cudnn/planner.h"

#include <doctest/doctest.h>

#include "tests/cudnn/testing.h"

namespace ember::cudnn {
namespace {

Convolution wide_3x3(Direction direction) {
  return convolution_of(direction, {32, 32, 32, 64}, {128, 3, 3, 64}, {2, 2, {0, 1, 0, 1}});
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("notes decide what is acceptable") {
  const Notes exact{CUDNN_NUMERICAL_NOTE_FFT};
  const Notes tf32{CUDNN_NUMERICAL_NOTE_TENSOR_CORE};
  const Notes unordered{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC};
  const Notes half{CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS};
  CHECK(acceptable(exact, {}));
  CHECK_FALSE(acceptable(tf32, {}));
  CHECK(acceptable(tf32, {.tf32 = true}));
  CHECK_FALSE(acceptable(unordered, {.tf32 = true}));
  CHECK(acceptable(unordered, {.nondeterministic = true}));
  CHECK_FALSE(acceptable(half, {.tf32 = true, .nondeterministic = true}));
}

TEST_CASE("a plan is made once and kept") {
  if (!installed()) return;
  Planner planner(described_card());
  const Planned* first = &planner.find(wide_3x3(Direction::forward));
  REQUIRE(first->plan);
  CHECK(&planner.find(wide_3x3(Direction::forward)) == first);
  CHECK(planner.planned() == 1);
}

TEST_CASE("each property of a convolution has its own place in the cache") {
  if (!installed()) return;
  Planner planner(described_card());
  const Convolution base = wide_3x3(Direction::dgrad);
  std::vector<Convolution> variants(13, base);
  variants[0].direction = Direction::wgrad;
  variants[1].images = 31;
  variants[2].height = 34;
  variants[3].width = 34;
  variants[4].channels = 32;
  variants[5].outputs = 64;
  variants[6].kernel_h = 1;
  variants[7].kernel_w = 1;
  variants[8].window.stride_h = 1;
  variants[9].window.padding.bottom = 2;
  variants[10].accumulate = true;
  variants[11].allowed.tf32 = true;
  variants[12].allowed.nondeterministic = true;
  planner.find(base);
  int64_t planned = 1;
  for (const Convolution& variant : variants) {
    INFO(to_string(variant));
    planner.find(variant);
    CHECK(planner.planned() == ++planned);
  }
}

TEST_CASE("that there is no plan is kept, too, with the reason") {
  if (!installed()) return;
  // Without any workspace some directions of a strided convolution have no engine left.
  Planner planner(described_card(), /*workspace_limit=*/-1);
  const Planned* first = &planner.find(wide_3x3(Direction::forward));
  CHECK_FALSE(first->plan);
  CHECK(contains(first->refusal, "bytes of workspace, the limit is -1"));
  CHECK(&planner.find(wide_3x3(Direction::forward)) == first);
  CHECK(planner.planned() == 1);
}

TEST_CASE("the first plan within the workspace limit is taken") {
  if (!installed()) return;
  Planner generous(described_card());
  Planner frugal(described_card(), /*workspace_limit=*/0);
  Convolution convolution = wide_3x3(Direction::dgrad);
  convolution.allowed = {.tf32 = true, .nondeterministic = true};
  REQUIRE(generous.find(convolution).plan);
  const Planned& small = frugal.find(convolution);
  REQUIRE(small.plan);
  CHECK(small.plan->workspace_bytes == 0);
}

TEST_CASE("shapes that do not fit are refused by name") {
  if (!installed()) return;
  Planner planner(described_card());
  Convolution convolution = wide_3x3(Direction::forward);
  convolution.window.padding.left = -40;
  const Planned& planned = planner.find(convolution);
  CHECK_FALSE(planned.plan);
  CHECK(contains(planned.refusal, "cuDNN: "));
  CHECK(contains(planned.refusal, "CUDNN_STATUS_BAD_PARAM"));
}

TEST_CASE("an error names the descriptor and the attribute") {
  if (!installed()) return;
  std::string message;
  try {
    Descriptor(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "convolution")
        .set(EMBER_CUDNN_ATTRIBUTE(TENSOR_DATA_TYPE), CUDNN_DATA_FLOAT);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::unavailable);
    message = error.what();
  }
  CHECK(contains(message, "cuDNN: convolution: TENSOR_DATA_TYPE: CUDNN_STATUS_"));
  CHECK_THROWS_WITH_AS(Target::described("{}"), doctest::Contains("device: "), Error);
}

TEST_CASE("a convolution says what it is") {
  Convolution convolution =
      convolution_of(Direction::dgrad, {32, 64, 64, 96}, {3, 3, 96}, {2, 2, {0, 1, 0, 1}});
  CHECK(to_string(convolution) ==
        "dgrad of 3x3 depthwise, stride 2x2, padding 0 1 0 1, (32, 64, 64, 96) to (32, 32, 32, "
        "96)");
}

}  // namespace ember::cudnn
