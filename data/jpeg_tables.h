#pragma once

#include <cstdint>
#include <span>

namespace ember {

/// False when a Huffman table of a JPEG declares more than 256 codes, which no byte needs (ITU
/// T.81, B.2.4.2). The decoder of stb_image trusts the declared numbers, so such a file must not
/// reach it. True for other formats.
bool has_sound_huffman_tables(std::span<const uint8_t> file);

}  // namespace ember
