#pragma once

#include <array>

namespace ember {

/// A card's memory bandwidth as NVIDIA publishes it, in 10^9 bytes/s: what no kernel can pass.
/// Copies reach some 90 % of it.
struct Card {
  const char* option;
  const char* name;
  double bandwidth;
};

/// From the cards' data sheets and, for the RTX cards, NVIDIA's architecture white papers (Ada
/// GPU, RTX Blackwell).
inline constexpr std::array<Card, 9> kCards{{{"t4", "T4", 320},
                                             {"l4", "L4", 300},
                                             {"a100-40", "A100 SXM 40 GB", 1555},
                                             {"a100-80", "A100 SXM 80 GB", 2039},
                                             {"h100", "H100 SXM", 3350},
                                             {"h200", "H200 SXM", 4800},
                                             {"rtx3090", "RTX 3090", 936},
                                             {"rtx4090", "RTX 4090", 1008},
                                             {"rtx5090", "RTX 5090", 1792}}};

}  // namespace ember
