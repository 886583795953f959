#include "data/image.h"

#include <algorithm>
#include <array>

#include "data/exif.h"
#include "data/jpeg_tables.h"
#include "tensor/temporary_folder.h"
#include "tests/data/testing.h"
#include "tests/golden.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

void append_big_endian(std::string& bytes, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
}

/// A PNG that is all header. stb does not look at the checksums.
std::string png_header(uint32_t width, uint32_t height) {
  std::string bytes = "\x89PNG\r\n\x1A\n";
  append_big_endian(bytes, 13);
  bytes += "IHDR";
  append_big_endian(bytes, width);
  append_big_endian(bytes, height);
  bytes += std::string("\x08\x02\0\0\0", 5);
  append_big_endian(bytes, 0);
  return bytes;
}

/// A JPEG's start with an EXIF segment that holds `entries` directory entries, the last of them the
/// orientation.
std::vector<uint8_t> jpeg_with_exif(bool big_endian, int entries, uint16_t orientation) {
  std::string tiff = big_endian ? "MM" : "II";
  const auto append = [&](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      tiff += static_cast<char>(value >> 8 * (big_endian ? bytes - 1 - i : i));
    }
  };
  append(42, 2);
  append(8, 4);
  append(static_cast<uint32_t>(entries), 2);
  for (int i = 0; i < entries; ++i) {
    append(i == entries - 1 ? 0x0112 : 0x0100, 2);
    append(3, 2);
    append(1, 4);
    append(orientation, 2);
    append(0, 2);
  }
  const std::string payload = std::string("Exif\0\0", 6) + tiff;
  std::string bytes = "\xFF\xD8\xFF\xFF\xE1";  // with a fill byte
  bytes += static_cast<char>((payload.size() + 2) >> 8);
  bytes += static_cast<char>(payload.size() + 2);
  bytes += payload;
  return {bytes.begin(), bytes.end()};
}

TEST_CASE("decoding equals OpenCV's") {
  const auto golden = golden_file("decode");
  for (const std::string& name : golden.names()) {
    const fs::path path = golden_folder() / "images" / name;
    const ByteTensor image = read_image(path);
    check_golden(golden, name, image);
    const auto size = read_image_size(path);
    REQUIRE(size.has_value());
    CHECK(size->height == image.dim(0));
    CHECK(size->width == image.dim(1));
  }
}

TEST_CASE("what is written is read again") {
  const TemporaryFolder folder;
  const ByteTensor image = ByteTensor::filled({5, 9, 3}, 100);
  image.rows(1, 2).clone();
  write_image(folder / "photo.png", image);
  write_image(folder / "photo.JPG", image);
  for (const char* name : {"photo.png", "photo.JPG"}) {
    const ByteTensor again = read_image(folder / name);
    REQUIRE(again.shape() == image.shape());
    for (uint8_t pixel : again.values()) CHECK(std::abs(pixel - 100) <= 1);
  }
  const ByteTensor noise = noise_image(7, 3, 4);
  write_image(folder / "noise.png", noise);
  const ByteTensor again = read_image(folder / "noise.png");
  CHECK(std::equal(noise.values().begin(), noise.values().end(), again.values().begin()));
  CHECK(read_bytes(folder / "photo.JPG")[0] == 0xFF);  // the name chose the format
  CHECK(read_bytes(folder / "photo.png")[0] == 0x89);
  CHECK_THROWS_AS(write_image(folder / "missing/photo.png", image), Error);
}

TEST_CASE("missing and undecodable files carry the study's messages") {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& name) {
    return [path = folder / name] { read_image(path); };
  };
  const auto path = [&](const std::string& name) { return (folder / name).string(); };
  check_error(ExitCode::no_input, {"File not found: " + path("none.png")}, read("none.png"));
  write_text(folder / "text.png", "this is no image");
  check_error(ExitCode::data, {"Unreadable file: " + path("text.png")}, read("text.png"));
  write_text(folder / "empty.jpg", "");
  check_error(ExitCode::data, {"Unreadable file: " + path("empty.jpg")}, read("empty.jpg"));
  fs::create_directory(folder / "folder.jpg");
  check_error(ExitCode::data, {"Unreadable file: " + path("folder.jpg")}, read("folder.jpg"));
}

TEST_CASE("absurd dimensions are refused before the pixels are allocated") {
  const TemporaryFolder folder;
  using Sides = std::array<uint32_t, 2>;
  for (const auto& [width, height] :
       {Sides{1u << 31, 1}, Sides{65536, 1}, Sides{1, 70000}, Sides{60000, 60000}, Sides{0, 5}}) {
    write_text(folder / "huge.png", png_header(width, height));
    const int64_t before = memory_stats().peak_bytes;
    CHECK_FALSE(read_image_size(folder / "huge.png").has_value());
    check_error(ExitCode::data, {"Unreadable file: "}, [&] { read_image(folder / "huge.png"); });
    CHECK(memory_stats().peak_bytes == before);
  }
  write_text(folder / "large.png", png_header(8192, 8192));
  CHECK(read_image_size(folder / "large.png")->width == 8192);
}

TEST_CASE("the orientation is found in either byte order") {
  for (const bool big_endian : {false, true}) {
    CHECK(exif_orientation(jpeg_with_exif(big_endian, 1, 6)) == 6);
    CHECK(exif_orientation(jpeg_with_exif(big_endian, 5, 8)) == 8);
    CHECK(exif_orientation(jpeg_with_exif(big_endian, 1, 0)) == 1);
    CHECK(exif_orientation(jpeg_with_exif(big_endian, 1, 9)) == 1);
  }
  auto cut = jpeg_with_exif(true, 3, 5);
  while (!cut.empty()) {
    cut.pop_back();
    CHECK(exif_orientation(cut) == 1);
  }
}

TEST_CASE("image extensions are known in either case") {
  for (const char* name : {"a.jpg", "a.JPEG", "a.Png", "x/a.bmp"}) CHECK(has_image_extension(name));
  for (const char* name : {"a.xml", "jpg", "a.jpg.txt", ""}) CHECK_FALSE(has_image_extension(name));
}

TEST_CASE("a JPEG whose Huffman table declares more codes than bytes have is refused") {
  std::vector<uint8_t> file = read_bytes(golden_folder() / "images/orientation_1.jpg");
  REQUIRE(decode_image(file).has_value());
  const uint8_t marker[] = {0xFF, 0xC4};
  const auto table = std::search(file.begin(), file.end(), std::begin(marker), std::end(marker));
  REQUIRE(table != file.end());
  std::fill_n(table + 5, 16, uint8_t{17});  // behind marker, length and class
  CHECK_FALSE(has_sound_huffman_tables(file));
  CHECK_FALSE(decode_image(file).has_value());
  const TemporaryFolder folder;
  write_text(folder / "unsound.jpg", {file.begin(), file.end()});
  CHECK_FALSE(read_image_size(folder / "unsound.jpg").has_value());

  // A segment of one byte, so that the table leaves it, at the start of a file with a fill byte.
  std::vector<uint8_t> beyond{0xFF, 0xFF, 0xD8, 0xFF, 0xC4, 0x00, 0x03, 0x00};
  beyond.resize(beyond.size() + 16, uint8_t{16});
  CHECK(has_sound_huffman_tables(beyond));  // 256 codes
  beyond.back() = 17;
  CHECK_FALSE(has_sound_huffman_tables(beyond));
  CHECK(has_sound_huffman_tables(std::span(beyond).first(beyond.size() - 1)));
  beyond[4] = 0xD9;  // nothing behind the end of the image is decoded
  CHECK(has_sound_huffman_tables(beyond));
}

TEST_CASE("a copy of a photo has a name that tells its format") {
  for (const char* kept : {"a.jpg", "sub/b.JPEG", "c.png"}) CHECK(name_of_copy(kept) == kept);
  CHECK(name_of_copy("sub/a.bmp") == "sub/a.bmp.png");
  CHECK(name_of_copy("photo") == "photo.png");
  CHECK(name_of_copy("photo.1") == "photo.1.png");
}

}  // namespace
}  // namespace ember
