#include "kernels/emulator/call_stack.h"

#include <map>
#include <utility>

#include "kernels/emulator/fiber.h"
#include "kernels/emulator/symbols.h"

namespace ember::emulator {
namespace {

/// What a function that keeps a frame pointer has at that place of its stack (x86-64).
struct Frame {
  const Frame* caller;
  const void* return_address;
};

/// `frame`, if it lies on the thread's stack.
const Frame* on_stack(const Thread& thread, const void* frame) {
  const auto offset =
      static_cast<size_t>(static_cast<const std::byte*>(frame) - thread.fiber->stack);
  return offset <= kStackBytes - sizeof(Frame) ? static_cast<const Frame*>(frame) : nullptr;
}
const Frame* barrier_frame(const Thread& thread) { return on_stack(thread, thread.frame); }
const Frame* caller(const Thread& thread, const Frame* frame) {
  return frame->caller > frame ? on_stack(thread, frame->caller) : nullptr;
}

/// Without a look at the lines.
bool same_return_addresses(const Thread& a, const Thread& b) {
  const Frame* at_a = barrier_frame(a);
  const Frame* at_b = barrier_frame(b);
  while (at_a != nullptr && at_b != nullptr) {
    if (at_a->return_address != at_b->return_address) return false;
    at_a = caller(a, at_a);
    at_b = caller(b, at_b);
  }
  return at_a == at_b;
}

std::vector<Site> calls_of(const Thread& thread) {
  std::vector<Site> calls;
  for (const Frame* frame = barrier_frame(thread); frame != nullptr;
       frame = caller(thread, frame)) {
    calls.push_back(site_of(frame->return_address));
  }
  return calls;
}

}  // namespace

std::vector<std::string> lines_of_calls(const Thread& thread) {
  std::vector<std::string> lines;
  for (const Site site : calls_of(thread)) {
    const auto& of_call = source_lines(site);
    lines.insert(lines.end(), of_call.begin(), of_call.end());
  }
  return lines;
}

bool same_calls(const Thread& a, const Thread& b) {
  if (same_return_addresses(a, b)) return true;
  static std::map<std::pair<std::vector<Site>, std::vector<Site>>, bool> known;
  const auto [found, is_new] = known.try_emplace({calls_of(a), calls_of(b)});
  if (is_new) found->second = lines_of_calls(a) == lines_of_calls(b);
  return found->second;
}

}  // namespace ember::emulator
