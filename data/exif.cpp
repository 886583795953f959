#include "data/exif.h"

#include <algorithm>
#include <string_view>

namespace ember {
namespace {

using Bytes = std::span<const uint8_t>;

enum class Order { little, big };

/// An unsigned integer of `count` bytes at `offset`; 0 where that leaves `bytes`.
uint32_t read_integer(Bytes bytes, size_t offset, size_t count, Order order) {
  if (offset > bytes.size() || bytes.size() - offset < count) return 0;
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    value = value << 8 | bytes[offset + (order == Order::big ? i : count - 1 - i)];
  }
  return value;
}

bool starts_with(Bytes bytes, std::string_view prefix) {
  return bytes.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), bytes.begin(),
                    [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

/// Looks up the orientation in the first directory of a TIFF structure.
int tiff_orientation(Bytes tiff) {
  constexpr uint32_t kOrientationTag = 0x0112;
  constexpr size_t kEntryBytes = 12;
  const Order order = starts_with(tiff, "MM") ? Order::big : Order::little;
  if (order == Order::little && !starts_with(tiff, "II")) return 1;
  if (read_integer(tiff, 2, 2, order) != 42) return 1;
  const size_t directory = read_integer(tiff, 4, 4, order);
  const size_t entries = read_integer(tiff, directory, 2, order);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > tiff.size()) return 1;
    if (read_integer(tiff, entry, 2, order) == kOrientationTag) {
      const uint32_t orientation = read_integer(tiff, entry + 8, 2, order);
      return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
    }
  }
  return 1;
}

int jpeg_orientation(Bytes file) {
  constexpr std::string_view kExif("Exif\0\0", 6);
  constexpr uint8_t kStartOfScan = 0xDA;
  constexpr uint8_t kApp1 = 0xE1;
  size_t offset = 2;
  while (offset + 4 <= file.size() && file[offset] == 0xFF) {
    const uint8_t marker = file[offset + 1];
    if (marker == 0xFF) {  // a fill byte
      ++offset;
      continue;
    }
    if (marker == kStartOfScan) break;
    const size_t length = read_integer(file, offset + 2, 2, Order::big);
    if (length < 2 || length > file.size() - offset - 2) break;
    const Bytes segment = file.subspan(offset + 4, length - 2);
    if (marker == kApp1 && starts_with(segment, kExif)) {
      return tiff_orientation(segment.subspan(kExif.size()));
    }
    offset += 2 + length;
  }
  return 1;
}

int png_orientation(Bytes file) {
  constexpr size_t kSignatureBytes = 8;
  size_t offset = kSignatureBytes;
  while (file.size() - offset >= 12) {  // length, type, CRC
    const size_t length = read_integer(file, offset, 4, Order::big);
    if (length > file.size() - offset - 12) break;
    if (starts_with(file.subspan(offset + 4), "eXIf")) {
      return tiff_orientation(file.subspan(offset + 8, length));
    }
    offset += 12 + length;
  }
  return 1;
}

}  // namespace

int exif_orientation(Bytes file) {
  if (starts_with(file, "\xFF\xD8")) return jpeg_orientation(file);
  if (starts_with(file, "\x89PNG\r\n\x1A\n")) return png_orientation(file);
  return 1;
}

}  // namespace ember
