#include "apps/machine.h"

#include <doctest/doctest.h>

#include <string>

#include "tensor/cuda/status.h"
#include "tensor/error.h"

namespace ember {

TEST_CASE("auto is a real GPU where one can be used, and cuda asks for it") {
  CHECK(select_device("cpu") == Device::cpu);
  std::string conv = "auto";
  use_conv(conv, "cpu");
  CHECK(conv == "own");
  const cuda::Status& status = cuda::status();
  if (!status.emulated && status.usable()) {
    CHECK(select_device("auto") == Device::cuda);
    CHECK(select_device("cuda") == Device::cuda);
    return;
  }
  CHECK(select_device("auto") == Device::cpu);
  try {
    select_device("cuda");
    FAIL("cuda was accepted");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::unavailable);
    CHECK(std::string(error.what()).find("--device cuda: ") == 0);
  }
}

}  // namespace ember
