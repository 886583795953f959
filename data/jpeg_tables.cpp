#include "data/jpeg_tables.h"

#include <algorithm>
#include <numeric>

namespace ember {
namespace {

using Bytes = std::span<const uint8_t>;

/// Whether the tables of one DHT segment, each a class byte, 16 counts and that many symbols, are
/// sound.
bool sound_tables(Bytes tables) {
  constexpr size_t kCounts = 16;
  while (tables.size() > kCounts) {
    const Bytes counts = tables.subspan(1, kCounts);
    const size_t codes = std::accumulate(counts.begin(), counts.end(), size_t{0});
    if (codes > 256) return false;
    tables = tables.subspan(std::min(1 + kCounts + codes, tables.size()));
  }
  return true;
}

}  // namespace

bool has_sound_huffman_tables(Bytes file) {
  constexpr uint8_t kHuffmanTables = 0xC4;
  constexpr uint8_t kFirstLoneMarker = 0xD0;  // RST0 to EOI have no length
  constexpr uint8_t kLastLoneMarker = 0xD9;
  if (file.size() < 2 || file[0] != 0xFF || file[1] != 0xD8) return true;
  size_t offset = 2;
  while (offset + 4 <= file.size()) {
    const uint8_t marker = file[offset + 1];
    // Anything but a marker is skipped, as the decoder does: pixels of a scan, stuffed zeros,
    // padding.
    if (file[offset] != 0xFF || marker == 0x00 || marker == 0xFF) {
      ++offset;
      continue;
    }
    if (marker >= kFirstLoneMarker && marker <= kLastLoneMarker) {
      offset += 2;
      continue;
    }
    const size_t length = size_t{file[offset + 2]} << 8 | file[offset + 3];
    const size_t end = std::min(offset + 2 + std::max<size_t>(length, 2), file.size());
    // What a damaged length hides from this walk it hides from the decoder too: both go by it. A
    // table that the file cuts off is read with what is there.
    if (marker == kHuffmanTables &&
        !sound_tables(file.subspan(offset + 4, end - std::min(offset + 4, end)))) {
      return false;
    }
    offset = end;
  }
  return true;
}

}  // namespace ember
