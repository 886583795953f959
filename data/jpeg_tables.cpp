#include "data/jpeg_tables.h"

#include <algorithm>
#include <numeric>

namespace ember {
namespace {

using Bytes = std::span<const uint8_t>;

/// Whether the tables of a DHT segment, each a class byte, 16 counts and that many symbols, are
/// sound. They begin at `begin`; the last one begins before `end` and may leave the segment and
/// even the file, as the decoder reads on there, zeros after the file's end.
bool sound_tables(Bytes file, size_t begin, size_t end) {
  constexpr size_t kCounts = 16;
  for (size_t table = begin; table < end;) {
    const size_t first = std::min(table + 1, file.size());
    const Bytes counts = file.subspan(first, std::min(kCounts, file.size() - first));
    const size_t codes = std::accumulate(counts.begin(), counts.end(), size_t{0});
    if (codes > 256) return false;
    table += 1 + kCounts + codes;
  }
  return true;
}

}  // namespace

bool has_sound_huffman_tables(Bytes file) {
  constexpr uint8_t kHuffmanTables = 0xC4;
  constexpr uint8_t kFirstLoneMarker = 0xD0;  // RST0 to SOI have no length
  constexpr uint8_t kLastLoneMarker = 0xD8;
  constexpr uint8_t kEndOfImage = 0xD9;
  if (file.empty() || file[0] != 0xFF) return true;  // no JPEG
  size_t offset = 0;
  while (offset + 4 <= file.size()) {
    const uint8_t marker = file[offset + 1];
    // Anything but a marker is skipped, as the decoder does: pixels of a scan, stuffed zeros,
    // padding.
    if (file[offset] != 0xFF || marker == 0x00 || marker == 0xFF) {
      ++offset;
      continue;
    }
    if (marker == kEndOfImage) return true;
    if (marker >= kFirstLoneMarker && marker <= kLastLoneMarker) {
      offset += 2;
      continue;
    }
    const size_t length = size_t{file[offset + 2]} << 8 | file[offset + 3];
    const size_t end = offset + 2 + std::max<size_t>(length, 2);
    // What a damaged length hides from this walk it hides from the decoder too: both go by it.
    if (marker == kHuffmanTables && !sound_tables(file, offset + 4, end)) return false;
    offset = end;
  }
  return true;
}

}  // namespace ember
