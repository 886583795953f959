#include "data/annotations.h"
#include "data/exif.h"
#include "data/image.h"
#include "tensor/temporary_folder.h"
#include "tests/data/testing.h"
#include "tests/golden.h"

/// Damaged files are refused or read, and never touch memory that is not theirs: run these under
/// the asan preset too.
namespace ember {
namespace {

using Bytes = std::vector<uint8_t>;

/// Calls `use` with every truncation of `bytes` (at most 200 of them), and with 300 copies of which
/// one to four bytes are changed.
template <typename Use>
void damage(const Bytes& bytes, uint64_t seed, const Use& use) {
  const size_t step = bytes.size() / 200 + 1;
  for (size_t size = 0; size < bytes.size(); size += step) {
    use(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
  }
  const Philox random(seed, Purpose::faces, 0);
  for (uint64_t i = 0; i < 300; ++i) {
    Bytes damaged = bytes;
    const auto choice = random.block(8 * i);
    for (uint64_t change = 0; change <= choice[0] % 4; ++change) {
      const auto draw = random.block(8 * i + 1 + change);
      damaged[draw[0] % damaged.size()] = static_cast<uint8_t>(draw[1]);
    }
    use(damaged);
  }
}

TEST_CASE("damaged images never crash") {
  const auto folder = golden_folder() / "images";
  int decoded = 0;
  int refused = 0;
  uint64_t seed = 0;
  for (const char* name : {"orientation_6.jpg", "progressive.jpg", "grey.jpg", "rgba_16.png",
                           "palette_2.png", "orientation_6.png", "grey_alpha_8.png"}) {
    damage(read_bytes(folder / name), ++seed, [&](const Bytes& bytes) {
      exif_orientation(bytes);
      const auto image = decode_image(bytes);
      (image.has_value() ? decoded : refused) += 1;
      if (image.has_value()) CHECK(image->size() > 0);
    });
  }
  CHECK(decoded > 100);
  CHECK(refused > 100);
}

TEST_CASE("damaged annotations never crash, and are refused in one line") {
  const TemporaryFolder folder;
  write_photo(folder / "images/photo.png", noise_image(6, 8, 1));
  const std::string xml =
      voc_xml("photo.png", {{"face", {1, 1, 5, 5}}, {"mask", {0, 0, 9, 9}}},
              "<size><width>8</width><height>6</height></size><!-- c --><![CDATA[d]]>&amp;");
  int read = 0;
  int refused = 0;
  Lines lines;
  damage({xml.begin(), xml.end()}, 9, [&](const Bytes& bytes) {
    write_text(folder / "annotations/a.xml", std::string(bytes.begin(), bytes.end()));
    try {
      read_annotations(folder.path(), lines.report());
      ++read;
    } catch (const Error& error) {
      ++refused;
      CHECK(std::string(error.what()).find('\n') == std::string::npos);
    }
  });
  CHECK(read > 0);
  CHECK(refused > 200);
}

TEST_CASE("deeply nested XML is refused") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "images");
  std::string xml;
  for (int i = 0; i < 100000; ++i) xml += "<a>";
  write_text(folder / "annotations/a.xml", xml);
  check_error(ExitCode::data, {"not well-formed XML"}, [&] { read_annotations(folder.path()); });
}

}  // namespace
}  // namespace ember
