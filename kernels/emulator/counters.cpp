#include "kernels/emulator/counters.h"

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>
#include <unordered_set>

#include "kernels/emulator/emulator.h"
#include "kernels/emulator/hooks.h"
#include "kernels/emulator/memory.h"
#include "kernels/emulator/symbols.h"

namespace ember::emulator {
namespace {

constexpr uintptr_t kSector = 32;
constexpr unsigned kBanks = 32;

std::map<std::string, KernelCounters> all_counters;
KernelCounters* kernel_counters = nullptr;

/// One instruction of a warp.
struct Request {
  std::array<uintptr_t, kWarpSize> addresses;
  unsigned lanes = 0;
};
struct Instruction {
  size_t bytes = 0;  ///< of one lane
  AccessKind kind = AccessKind::load;
  std::vector<Request> requests;
  std::array<uint32_t, kWarpSize> passed{};  ///< by lane
};
std::vector<std::unordered_map<Site, Instruction>> warps;

std::unordered_set<uintptr_t> sectors_read;
std::unordered_set<uintptr_t> sectors_written;

template <typename Body>
void for_each_lane(const Request& request, const Body& body) {
  for (unsigned rest = request.lanes; rest != 0; rest &= rest - 1) {
    body(request.addresses[static_cast<size_t>(std::countr_zero(rest))]);
  }
}

/// How many different values of address / unit the request touches, and the bytes it needs.
int64_t distinct(const Request& request, size_t bytes, uintptr_t unit) {
  std::vector<uintptr_t> units;
  for_each_lane(request, [&](uintptr_t address) {
    for (uintptr_t u = address / unit; u <= (address + bytes - 1) / unit; ++u) units.push_back(u);
  });
  std::sort(units.begin(), units.end());
  return std::unique(units.begin(), units.end()) - units.begin();
}

void count_request(AccessCounters& counters, const Request& request, size_t bytes) {
  counters.requests += 1;
  counters.lanes += std::popcount(request.lanes);
  counters.bytes += std::popcount(request.lanes) * static_cast<int64_t>(bytes);
}

void count_global(const Request& request, const Instruction& instruction) {
  AccessCounters& counters = instruction.kind == AccessKind::load    ? kernel_counters->global_load
                             : instruction.kind == AccessKind::store ? kernel_counters->global_store
                                                                     : kernel_counters->atomics;
  count_request(counters, request, instruction.bytes);
  const int64_t needed = distinct(request, instruction.bytes, 1);
  counters.transactions += distinct(request, instruction.bytes, kSector);
  counters.fewest += (needed + static_cast<int64_t>(kSector) - 1) / static_cast<int64_t>(kSector);
  auto& sectors = instruction.kind == AccessKind::load ? sectors_read : sectors_written;
  for_each_lane(request, [&](uintptr_t address) {
    for (uintptr_t s = address / kSector; s <= (address + instruction.bytes - 1) / kSector; ++s) {
      sectors.insert(s);
    }
  });
}

/// Passes over the banks: the most different words that one bank is asked for. Lanes that ask for
/// 8 (16) bytes are served by half (quarter) warps.
void count_shared(const Request& request, const Instruction& instruction) {
  AccessCounters& counters = instruction.kind == AccessKind::load ? kernel_counters->shared_load
                                                                  : kernel_counters->shared_store;
  count_request(counters, request, instruction.bytes);
  const size_t words = std::max<size_t>(instruction.bytes / kWord, 1);
  const unsigned group = kWarpSize / static_cast<unsigned>(std::min<size_t>(words, 4));
  for (unsigned first = 0; first < kWarpSize; first += group) {
    std::array<std::vector<uintptr_t>, kBanks> banks;
    for (unsigned lane = first; lane < first + group; ++lane) {
      if ((request.lanes >> lane & 1) == 0) continue;
      for (size_t i = 0; i < words; ++i) {
        const uintptr_t word = request.addresses[lane] / kWord + i;
        auto& bank = banks[word % kBanks];
        if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
      }
    }
    size_t passes = 0;
    size_t distinct_words = 0;
    for (const auto& bank : banks) {
      passes = std::max(passes, bank.size());
      distinct_words += bank.size();
    }
    counters.transactions += static_cast<int64_t>(passes);
    counters.fewest += static_cast<int64_t>((distinct_words + kBanks - 1) / kBanks);
  }
}

void count_requests() {
  for (auto& warp : warps) {
    for (auto& [site, instruction] : warp) {
      for (const Request& request : instruction.requests) {
        const auto* address = reinterpret_cast<const void*>(
            request.addresses[static_cast<size_t>(std::countr_zero(request.lanes))]);
        if (global_memory.contains(address)) {
          count_global(request, instruction);
        } else if (static_memory.contains(address)) {
          count_shared(request, instruction);
        }
      }
      instruction.requests.clear();
      instruction.passed.fill(0);
    }
  }
}

}  // namespace

void count_access(const void* address, size_t bytes, AccessKind kind, Site site) {
  if (warps.size() <= current->warp) warps.resize(current->warp + 1);
  Instruction& instruction = warps[current->warp][site];
  instruction.bytes = bytes;
  instruction.kind = kind;
  const uint32_t k = instruction.passed[current->lane]++;
  if (instruction.requests.size() <= k) instruction.requests.resize(k + 1);
  Request& request = instruction.requests[k];
  request.addresses[current->lane] = reinterpret_cast<uintptr_t>(address);
  request.lanes |= 1u << current->lane;
}

void begin_launch() {
  kernel_counters = nullptr;
  if (watch != Watch::counters) return;
  kernel_counters = &all_counters[kernel_name(machine.call->kernel)];
  kernel_counters->launches += 1;
  warps.clear();
  sectors_read.clear();
  sectors_written.clear();
}

void note_barrier() {
  if (kernel_counters == nullptr) return;
  kernel_counters->barriers += 1;
  count_requests();
}

void note_block_end() {
  if (kernel_counters == nullptr) return;
  kernel_counters->blocks += 1;
  kernel_counters->threads += static_cast<int64_t>(machine.threads.size());
  count_requests();
}

void end_launch() {
  if (kernel_counters == nullptr) return;
  kernel_counters->distinct_read += static_cast<int64_t>(sectors_read.size() * kSector);
  kernel_counters->distinct_written += static_cast<int64_t>(sectors_written.size() * kSector);
}

const std::map<std::string, KernelCounters>& counters() { return all_counters; }
void reset_counters() { all_counters.clear(); }

}  // namespace ember::emulator
