#include "data/image.h"

#define STBI_NO_STDIO
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "data/exif.h"
#include "data/jpeg_tables.h"
#include "tensor/atomic_file.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

constexpr int kChannels = 3;
constexpr std::array<const char*, 4> kExtensions{".jpg", ".jpeg", ".png", ".bmp"};

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

/// The first `limit` bytes of a regular file; nothing if it cannot be read.
std::optional<std::vector<uint8_t>> read_bytes(const fs::path& path, uintmax_t limit) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  const uintmax_t size = std::min(fs::file_size(path, error), limit);
  std::ifstream stream(path, std::ios::binary);
  if (error || !stream) return std::nullopt;
  std::vector<uint8_t> bytes(size);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!stream) return std::nullopt;
  return bytes;
}

/// Height and width as stored, nothing if the header makes no sense or promises too much. Comes
/// before anything else that decodes, since stb_image must see no unsound tables.
std::optional<ImageSize> stored_size(std::span<const uint8_t> file) {
  int width = 0;
  int height = 0;
  int channels = 0;
  if (!has_sound_huffman_tables(file) ||
      stbi_info_from_memory(file.data(), static_cast<int>(file.size()), &width, &height,
                            &channels) == 0) {
    return std::nullopt;
  }
  if (height < 1 || width < 1 || height > kMaxImageSide || width > kMaxImageSide ||
      int64_t{height} * width > kMaxImagePixels) {
    return std::nullopt;
  }
  return ImageSize{height, width};
}

bool exchanges_sides(int orientation) { return orientation >= 5; }

/// Turns stored pixels upright. EXIF's orientations as output (row, column) -> stored (row,
/// column), where ' counts from the other end: 1 (r, c)  2 (r, c')  3 (r', c')  4
/// (r', c)  5 (c, r)  6 (c', r)  7 (c', r')  8 (c, r').
ByteTensor upright(const uint8_t* stored, ImageSize size, int orientation) {
  const bool exchanged = exchanges_sides(orientation);
  const int64_t height = exchanged ? size.width : size.height;
  const int64_t width = exchanged ? size.height : size.width;
  ByteTensor image({height, width, kChannels});
  if (orientation == 1) {
    std::memcpy(image.data(), stored, static_cast<size_t>(image.size()));
    return image;
  }
  const auto is_any_of = [&](std::initializer_list<int> given) {
    return std::find(given.begin(), given.end(), orientation) != given.end();
  };
  const bool mirrors_rows = is_any_of({3, 4, 6, 7});
  const bool mirrors_columns = is_any_of({2, 3, 7, 8});
  uint8_t* out = image.data();
  for (int64_t row = 0; row < height; ++row) {
    for (int64_t column = 0; column < width; ++column, out += kChannels) {
      int64_t r = exchanged ? column : row;
      int64_t c = exchanged ? row : column;
      if (mirrors_rows) r = size.height - 1 - r;
      if (mirrors_columns) c = size.width - 1 - c;
      std::memcpy(out, stored + (r * size.width + c) * kChannels, kChannels);
    }
  }
  return image;
}

}  // namespace

std::optional<ByteTensor> decode_image(std::span<const uint8_t> file) {
  const auto size = stored_size(file);
  if (!size.has_value()) return std::nullopt;
  int width = 0;
  int height = 0;
  int channels = 0;
  const std::unique_ptr<uint8_t, void (*)(void*)> pixels(
      stbi_load_from_memory(file.data(), static_cast<int>(file.size()), &width, &height, &channels,
                            kChannels),
      stbi_image_free);
  if (pixels == nullptr || height != size->height || width != size->width) return std::nullopt;
  return upright(pixels.get(), *size, exif_orientation(file));
}

ByteTensor read_image(const fs::path& path) {
  constexpr uintmax_t kMaxFileBytes = uintmax_t{1} << 30;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) fail(ExitCode::no_input, "File not found: {}", path.string());
  std::optional<ByteTensor> image;
  if (const auto file = read_bytes(path, kMaxFileBytes)) image = decode_image(*file);
  if (!image.has_value()) fail(ExitCode::data, "Unreadable file: {}", path.string());
  return *std::move(image);
}

std::optional<ImageSize> read_image_size(const fs::path& path) {
  constexpr uintmax_t kHeaderBytes = 1 << 18;
  const auto header = read_bytes(path, kHeaderBytes);
  if (!header.has_value()) return std::nullopt;
  auto size = stored_size(*header);
  if (size.has_value() && exchanges_sides(exif_orientation(*header))) {
    std::swap(size->height, size->width);
  }
  return size;
}

std::vector<uint8_t> encode_image(const fs::path& name, const ByteTensor& image) {
  constexpr int kJpegQuality = 92;
  EMBER_REQUIRE(image.rank() == 3 && image.dim(2) == kChannels, "encode_image: image {}",
                to_string(image.shape()));
  const auto height = static_cast<int>(image.dim(0));
  const auto width = static_cast<int>(image.dim(1));
  const std::string extension = lower_extension(name);
  const bool jpeg = extension == ".jpg" || extension == ".jpeg";
  std::vector<uint8_t> file;
  const auto append = [](void* to, void* bytes, int count) {
    const auto* first = static_cast<const uint8_t*>(bytes);
    static_cast<std::vector<uint8_t>*>(to)->insert(static_cast<std::vector<uint8_t>*>(to)->end(),
                                                   first, first + count);
  };
  const int written = jpeg ? stbi_write_jpg_to_func(append, &file, width, height, kChannels,
                                                    image.data(), kJpegQuality)
                           : stbi_write_png_to_func(append, &file, width, height, kChannels,
                                                    image.data(), width * kChannels);
  EMBER_REQUIRE(written != 0, "encode_image: {} of shape {}", name.string(),
                to_string(image.shape()));
  return file;
}

void write_image(const fs::path& path, const ByteTensor& image) {
  write_file(path, std::as_bytes(std::span<const uint8_t>(encode_image(path, image))));
}

fs::path name_of_copy(const fs::path& photo) {
  const bool keeps = has_image_extension(photo) && lower_extension(photo) != ".bmp";
  return keeps ? photo : fs::path(photo) += ".png";
}

bool has_image_extension(const fs::path& path) {
  return std::find(kExtensions.begin(), kExtensions.end(), lower_extension(path)) !=
         kExtensions.end();
}

}  // namespace ember
