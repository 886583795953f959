#include "kernels/cudnn/library.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "kernels/cudnn/api.h"
#include "tensor/temporary_folder.h"
#include "tests/cudnn/testing.h"

namespace ember::cudnn {
namespace {

std::string message_of_loading(const std::vector<std::string>& files) {
  try {
    load_library(files);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::unavailable);
    return error.what();
  }
  return "loaded";
}

}  // namespace

TEST_CASE("without a library the message says what was tried and what to do") {
  const std::string message = message_of_loading({"libnothing.so.1", "", "/nowhere/libcudnn.so.9"});
  CHECK(message.find("cuDNN is not installed (libnothing.so.1: ") == 0);
  CHECK(message.find("; /nowhere/libcudnn.so.9: ") != std::string::npos);
  CHECK(message.find("; install cuDNN 9 or let EMBER_CUDNN name its folder") != std::string::npos);
}

TEST_CASE("a file that is no library, and a library that is not cuDNN, are refused") {
  const TemporaryFolder folder;
  const std::string text = folder / "libcudnn.so.9";
  std::ofstream(text) << "not a library\n";
  CHECK(message_of_loading({text}).find(text + ": ") != std::string::npos);
  CHECK(message_of_loading({"libm.so.6"}).find("has no cudnnGetVersion") != std::string::npos);
}

TEST_CASE("the library says its version and path") {
  if (!installed()) return;
  CHECK(library().path.find("libcudnn") != std::string::npos);
  CHECK(library().path.front() == '/');
  CHECK(library().version.find("9.") == 0);
  CHECK(&library() == &library());
}

}  // namespace ember::cudnn
