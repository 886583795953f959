#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "tensor/tensor.h"

/// Images are RGB ByteTensors of shape (height, width, 3).
namespace ember {

struct ImageSize {
  int64_t height;
  int64_t width;
};

/// Larger images are refused before their pixels are allocated.
inline constexpr int64_t kMaxImageSide = 65535;
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 26;

/// Decodes a JPEG, PNG or BMP as OpenCV's `imread(IMREAD_COLOR)` does, but in RGB order: the EXIF
/// orientation is applied, alpha dropped without blending, grey and palette expanded, 16 bits
/// reduced to their high byte. JPEG pixels may differ from OpenCV's by rounding.
///
/// Throws Error(no_input) "File not found: PATH", or Error(data) "Unreadable file: PATH".
ByteTensor read_image(const std::filesystem::path& path);

/// The same for the bytes of a file; nothing if they cannot be decoded.
std::optional<ByteTensor> decode_image(std::span<const uint8_t> file);

/// Height and width as read_image would give them, from the file's header alone; nothing if the
/// file is missing, unreadable or too large.
std::optional<ImageSize> read_image_size(const std::filesystem::path& path);

/// The bytes of a JPEG of quality 92 where the name ends in .jpg or .jpeg, else of a PNG.
std::vector<uint8_t> encode_image(const std::filesystem::path& name, const ByteTensor& image);

/// Writes them under this name. Errors as of AtomicFile.
void write_image(const std::filesystem::path& path, const ByteTensor& image);

/// A name that says which of the two a copy of `photo` is: the photo's own, with .png behind it
/// where that promises neither.
std::filesystem::path name_of_copy(const std::filesystem::path& photo);

/// Whether the name ends in one of the extensions that read_image knows, in upper or lower case.
bool has_image_extension(const std::filesystem::path& path);

}  // namespace ember
