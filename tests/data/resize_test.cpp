#include "data/resize.h"

#include "data/image.h"
#include "tests/data/testing.h"
#include "tests/golden.h"

namespace ember {
namespace {

TEST_CASE("resizing equals cv2.resize between odd sizes") {
  const auto golden = golden_file("resize");
  int cases = 0;
  for (const std::string& name : golden.names()) {
    if (!name.ends_with("/input")) continue;
    const std::string output = name.substr(0, name.rfind('/')) + "/output";
    ByteTensor resized(golden.shape(output));
    resized.fill(77);
    resize_bilinear(golden.bytes(name), resized);
    check_golden(golden, output, resized);
    ++cases;
  }
  CHECK(cases > 10);
}

TEST_CASE("resizing equals cv2.resize on photos") {
  const auto folder = test_asset("data/face-mask-detection-png");
  if (!folder) return;
  const auto golden = golden_file("resize");
  int photos = 0;
  for (const std::string& name : golden.names()) {
    if (!name.starts_with("photo/")) continue;
    const std::string file = name.substr(6, name.rfind('/') - 6);
    ByteTensor resized({128, 128, 3});
    const auto path = *folder / file;
    resize_bilinear(read_image(std::filesystem::exists(path) ? path : *folder / "images" / file),
                    resized);
    check_golden(golden, name, resized);
    ++photos;
  }
  CHECK(photos == 8);
}

TEST_CASE("shapes that do not fit are refused") {
  ByteTensor grey({4, 4, 1});
  CHECK_THROWS_AS(resize_bilinear(noise_image(4, 4, 1), grey), Error);
  ByteTensor empty({0, 4, 3});
  CHECK_THROWS_AS(resize_bilinear(noise_image(4, 4, 1), empty), Error);
}

}  // namespace
}  // namespace ember
