#pragma once

#include <cstdint>

namespace ember {

/// `channels` times a network's width, to the nearest multiple of 8 that is not more than 10 per
/// cent below, and at least 8: what MobileNetV2 does (Sandler et al. 2018).
int64_t scaled_channels(int64_t channels, double width);

}  // namespace ember
