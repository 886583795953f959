#pragma once

#include "kernels/emulator/emulator.h"

namespace ember::emulator {

/// Who looks at the accesses of kernels.
extern Watch watch;

}  // namespace ember::emulator
