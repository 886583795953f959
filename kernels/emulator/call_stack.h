#pragma once

#include <string>
#include <vector>

#include "kernels/emulator/machine.h"

/// How the threads at a barrier have come there. Wants code that keeps frame pointers.
namespace ember::emulator {

/// The source lines of the calls that a thread at a barrier stands in, the barrier's first.
std::vector<std::string> lines_of_calls(const Thread& thread);

/// Whether two threads at barriers have come there through the same source lines: compilers copy
/// code, and one barrier may become two calls.
bool same_calls(const Thread& a, const Thread& b);

}  // namespace ember::emulator
