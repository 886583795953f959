#include "kernels/emulator/counters.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <utility>

#include "kernels/emulator/emulator.h"
#include "kernels/emulator/hooks.h"
#include "kernels/emulator/memory.h"
#include "kernels/emulator/symbols.h"

namespace ember::emulator {
namespace {

constexpr uintptr_t kSector = 32;
constexpr unsigned kBanks = 32;

std::vector<CountedLaunch> launches;
KernelCounters* counted = nullptr;  ///< of the running launch; null when it is not counted

/// What the lanes of a warp ask for together.
struct Request {
  std::array<uintptr_t, kWarpSize> addresses;
  unsigned lanes = 0;
};
/// One instruction of a warp, since the last barrier.
struct Instruction {
  size_t bytes = 0;  ///< of one lane
  AccessKind kind = AccessKind::load;
  std::vector<Request> requests;
  std::array<uint32_t, kWarpSize> passed{};  ///< by lane
};
std::vector<std::vector<Instruction>> warps;  ///< by warp and by number_of_site

std::vector<uint32_t>
    number_of_site;  ///< from 1, in the order the launch has come to them; 0: never
std::vector<Site> numbered_sites;

uint32_t number_of(Site site) {
  if (number_of_site.size() <= site) number_of_site.resize(size_t{site} + 1);
  uint32_t& number = number_of_site[site];
  if (number == 0) {
    numbered_sites.push_back(site);
    number = static_cast<uint32_t>(numbered_sites.size());
  }
  return number - 1;
}

/// Sectors of global memory that the running launch has touched.
class TouchedSectors {
 public:
  /// Returns whether the sector is touched for the first time.
  bool touch(size_t sector) {
    if (last_launch_.size() <= sector) last_launch_.resize(sector + sector / 2 + 1);
    return std::exchange(last_launch_[sector], launch_) != launch_;
  }
  void begin_launch() { launch_ += 1; }

 private:
  uint32_t launch_ = 0;
  std::vector<uint32_t> last_launch_;  ///< by sector
};
TouchedSectors sectors_read;
TouchedSectors sectors_written;

int64_t in_sectors(int64_t bytes) {
  return (bytes + static_cast<int64_t>(kSector) - 1) / static_cast<int64_t>(kSector);
}

void count_request(AccessCounters& counters, const Request& request, size_t bytes) {
  counters.requests += 1;
  counters.lanes += std::popcount(request.lanes);
  counters.bytes += std::popcount(request.lanes) * static_cast<int64_t>(bytes);
}

void count_global(const Request& request, const Instruction& instruction) {
  AccessCounters& counters = instruction.kind == AccessKind::load    ? counted->global_load
                             : instruction.kind == AccessKind::store ? counted->global_store
                                                                     : counted->atomics;
  count_request(counters, request, instruction.bytes);

  std::array<uintptr_t, kWarpSize> offsets;
  size_t lanes = 0;
  for (unsigned rest = request.lanes; rest != 0; rest &= rest - 1) {
    offsets[lanes++] = request.addresses[static_cast<size_t>(std::countr_zero(rest))] -
                       reinterpret_cast<uintptr_t>(global_memory.begin);
  }
  if (!std::is_sorted(offsets.begin(), offsets.begin() + lanes)) {
    std::sort(offsets.begin(), offsets.begin() + lanes);
  }
  const bool reads = instruction.kind == AccessKind::load;
  int64_t needed = 0;         // bytes, those that lanes share counted once
  uintptr_t covered = 0;      // every byte asked for so far lies before it
  uintptr_t next_sector = 0;  // every sector touched so far lies before it
  for (uintptr_t begin : std::span(offsets.data(), lanes)) {
    const uintptr_t end = begin + instruction.bytes;
    if (end > covered) needed += static_cast<int64_t>(end - std::max(begin, covered));
    covered = std::max(covered, end);
    for (uintptr_t s = std::max(begin / kSector, next_sector); s * kSector < end; ++s) {
      counters.transactions += 1;
      if ((reads ? sectors_read : sectors_written).touch(s)) {
        (reads ? counted->distinct_read : counted->distinct_written) +=
            static_cast<int64_t>(kSector);
      }
      next_sector = s + 1;
    }
  }
  counters.fewest += in_sectors(needed);
}

/// Passes over the banks: the most different words that one bank is asked for. Lanes that ask for
/// 8 (16) bytes are served by half (quarter) warps.
void count_shared(const Request& request, const Instruction& instruction) {
  AccessCounters& counters =
      instruction.kind == AccessKind::load ? counted->shared_load : counted->shared_store;
  count_request(counters, request, instruction.bytes);
  const size_t words = std::max<size_t>(instruction.bytes / kWord, 1);
  const unsigned group = kWarpSize / static_cast<unsigned>(std::min<size_t>(words, 4));
  static std::array<std::vector<uintptr_t>, kBanks> banks;
  for (unsigned first = 0; first < kWarpSize; first += group) {
    for (auto& bank : banks) bank.clear();
    size_t passes = 0;
    size_t distinct_words = 0;
    for (unsigned lane = first; lane < first + group; ++lane) {
      if ((request.lanes >> lane & 1) == 0) continue;
      for (size_t i = 0; i < words; ++i) {
        const uintptr_t word = request.addresses[lane] / kWord + i;
        auto& bank = banks[word % kBanks];
        if (std::find(bank.begin(), bank.end(), word) != bank.end()) continue;
        bank.push_back(word);
        passes = std::max(passes, bank.size());
        distinct_words += 1;
      }
    }
    counters.transactions += static_cast<int64_t>(passes);
    counters.fewest += static_cast<int64_t>((distinct_words + kBanks - 1) / kBanks);
  }
}

void count_requests() {
  for (auto& warp : warps) {
    for (Instruction& instruction : warp) {
      if (instruction.requests.empty()) continue;
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

AccessCounters& operator+=(AccessCounters& sum, const AccessCounters& other) {
  sum.requests += other.requests;
  sum.lanes += other.lanes;
  sum.bytes += other.bytes;
  sum.transactions += other.transactions;
  sum.fewest += other.fewest;
  return sum;
}

}  // namespace

KernelCounters& KernelCounters::operator+=(const KernelCounters& other) {
  launches += other.launches;
  blocks += other.blocks;
  threads += other.threads;
  barriers += other.barriers;
  distinct_read += other.distinct_read;
  distinct_written += other.distinct_written;
  global_load += other.global_load;
  global_store += other.global_store;
  shared_load += other.shared_load;
  shared_store += other.shared_store;
  atomics += other.atomics;
  return *this;
}

void count_access(const void* address, size_t bytes, AccessKind kind, Site site) {
  if (warps.size() <= current->warp) warps.resize(current->warp + 1);
  auto& instructions = warps[current->warp];
  const uint32_t number = number_of(site);
  if (instructions.size() <= number) instructions.resize(number + 1);
  Instruction& instruction = instructions[number];
  instruction.bytes = bytes;
  instruction.kind = kind;
  const uint32_t k = instruction.passed[current->lane]++;
  if (instruction.requests.size() <= k) instruction.requests.resize(k + 1);
  Request& request = instruction.requests[k];
  request.addresses[current->lane] = reinterpret_cast<uintptr_t>(address);
  request.lanes |= 1u << current->lane;
}

void begin_launch() {
  counted = nullptr;
  if (watch != Watch::counters) return;
  const KernelCall& call = *machine.call;
  launches.push_back({.kernel = kernel_name(call.kernel),
                      .label = call.label,
                      .grid = {call.grid.x, call.grid.y, call.grid.z},
                      .block = {call.block.x, call.block.y, call.block.z},
                      .dynamic_shared_bytes = static_cast<int64_t>(call.shared_bytes),
                      .counters = {}});
  counted = &launches.back().counters;
  counted->launches = 1;
  warps.clear();
  for (Site site : numbered_sites) number_of_site[site] = 0;
  numbered_sites.clear();
  sectors_read.begin_launch();
  sectors_written.begin_launch();
}

void note_barrier() {
  if (counted == nullptr) return;
  counted->barriers += 1;
  count_requests();
}

void note_block_end() {
  if (counted == nullptr) return;
  counted->blocks += 1;
  counted->threads += static_cast<int64_t>(machine.threads.size());
  count_requests();
}

const std::vector<CountedLaunch>& counted_launches() { return launches; }

std::map<std::string, KernelCounters> counters() {
  std::map<std::string, KernelCounters> by_kernel;
  for (const CountedLaunch& launch : launches) by_kernel[launch.kernel] += launch.counters;
  return by_kernel;
}

void reset_counters() { launches.clear(); }

}  // namespace ember::emulator
