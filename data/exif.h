#pragma once

#include <cstdint>
#include <span>

namespace ember {

/// The orientation (1 to 8, EXIF tag 0x0112) that a JPEG's APP1 segment or a PNG's eXIf chunk
/// gives; 1, upright, where there is none or it makes no sense. Reads nothing outside `file`.
/// Format: CIPA DC-008 (EXIF 2.32) section 4.5, TIFF 6.0 section 2.
int exif_orientation(std::span<const uint8_t> file);

}  // namespace ember
