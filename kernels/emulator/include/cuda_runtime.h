#pragma once

/// What the `.cu` sources find under this name in the emulated build: CUDA's language and its
/// runtime, as far as Ember uses them, in ordinary C++.
#include "kernels/emulator/device_code.h"
#include "kernels/emulator/runtime.h"
