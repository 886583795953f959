#include "bench/kernel_report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "bench/kernel_report/occupancy.h"

namespace ember {
namespace {

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}
double megabytes(int64_t bytes) { return static_cast<double>(bytes) * 1e-6; }
double microseconds(int64_t bytes, const Card& card) {
  return static_cast<double>(bytes) / card.bandwidth * 1e-3;
}

std::string range(int64_t least, int64_t most) {
  return least == most ? fmt::format("{}", least) : fmt::format("{}..{}", least, most);
}

using Dimensions = std::array<unsigned, 3> LaunchShape::*;

/// "12..512 x 1..3" of the grids or the blocks of a kernel's launches.
std::string range_of(const KernelRow& row, Dimensions dimensions) {
  std::string text;
  size_t last = 2;
  const auto of_axis = [&](size_t axis) {
    const auto [least, most] = std::minmax_element(
        row.shapes.begin(), row.shapes.end(), [&](const LaunchShape& a, const LaunchShape& b) {
          return (a.*dimensions)[axis] < (b.*dimensions)[axis];
        });
    return std::pair((*least.*dimensions)[axis], (*most.*dimensions)[axis]);
  };
  while (last > 0 && of_axis(last).second == 1) --last;
  for (size_t axis = 0; axis <= last; ++axis) {
    const auto [least, most] = of_axis(axis);
    text += (axis > 0 ? " x " : "") + range(least, most);
  }
  return text;
}

std::string dynamic_shared(const KernelRow& row) {
  const auto [least, most] = std::minmax_element(
      row.shapes.begin(), row.shapes.end(), [](const LaunchShape& a, const LaunchShape& b) {
        return a.dynamic_shared_bytes < b.dynamic_shared_bytes;
      });
  return range(least->dynamic_shared_bytes, most->dynamic_shared_bytes);
}

using Number = std::function<std::optional<int64_t>(int architecture)>;

/// "96 95 93": one number for each architecture, "-" where the compiler has not been asked.
std::string by_architecture(const Number& number) {
  std::string text;
  for (int architecture : kArchitectures) {
    const auto value = number(architecture);
    text += fmt::format("{:>4}", value ? std::to_string(*value) : "-");
  }
  return text.substr(1);
}

/// The most of all architectures, "-" where the compiler has not been asked.
std::string most(const KernelRow& row, int64_t (*number)(const CompiledKernel&)) {
  if (row.compiled.empty()) return "-";
  int64_t found = 0;
  for (const auto& [architecture, kernel] : row.compiled) found = std::max(found, number(kernel));
  return std::to_string(found);
}

using Cells = std::vector<std::string>;

/// Columns as wide as they must be, to the right, the last one to the left.
std::string table(const std::vector<Cells>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const Cells& row : rows) {
    for (size_t k = 0; k < row.size(); ++k) widths[k] = std::max(widths[k], row[k].size());
  }
  std::string text;
  for (const Cells& row : rows) {
    for (size_t k = 0; k + 1 < row.size(); ++k) text += fmt::format("{:>{}}  ", row[k], widths[k]);
    text += row.back() + "\n";
  }
  return text;
}

std::string two_places(double number) { return fmt::format("{:.2f}", number); }

std::string memory_table(const StepReport& report) {
  std::vector<Cells> rows{{"launches", "blocks", "MB moved", "fewest", "ratio", "sectors", "banks",
                           "lanes", "floor us", "kernel"}};
  for (const KernelRow& row : report.kernels) {
    const emulator::KernelCounters& k = row.counters;
    const int64_t requests = k.global_load.requests + k.global_store.requests;
    const int64_t lanes = k.global_load.lanes + k.global_store.lanes;
    rows.push_back(
        {std::to_string(k.launches), std::to_string(k.blocks), two_places(megabytes(moved(k))),
         two_places(megabytes(distinct(k))), two_places(ratio(moved(k), distinct(k))),
         two_places(ratio(k.global_load.transactions + k.global_store.transactions,
                          k.global_load.fewest + k.global_store.fewest)),
         two_places(ratio(k.shared_load.transactions + k.shared_store.transactions,
                          k.shared_load.fewest + k.shared_store.fewest)),
         fmt::format("{:.0f} %", 100 * ratio(lanes, 32 * requests)),
         fmt::format("{:.1f}", microseconds(distinct(k), report.options.card)), row.name});
  }
  return table(rows);
}

std::string compiler_table(const StepReport& report) {
  std::vector<Cells> rows{
      {"grid", "block", "registers", "static", "dynamic", "local", "spilled", "warps", "kernel"}};
  for (const KernelRow& row : report.kernels) {
    const Number registers = [&](int architecture) -> std::optional<int64_t> {
      const auto found = row.compiled.find(architecture);
      if (found == row.compiled.end()) return {};
      return found->second.registers;
    };
    const Number warps = [&](int architecture) -> std::optional<int64_t> {
      const auto found = row.resident_warps.find(architecture);
      if (found == row.resident_warps.end()) return {};
      return found->second;
    };
    rows.push_back(
        {range_of(row, &LaunchShape::grid), range_of(row, &LaunchShape::block),
         by_architecture(registers),
         most(row, [](const CompiledKernel& k) { return k.shared_bytes; }), dynamic_shared(row),
         most(row, [](const CompiledKernel& k) { return k.stack_bytes; }),
         most(row, [](const CompiledKernel& k) { return k.spill_stores + k.spill_loads; }),
         by_architecture(warps), row.name});
  }
  return table(rows);
}

std::string kind_table(const StepReport& report) {
  std::vector<Cells> rows{{"launches", "MB moved", "fewest", "ratio", "part of the step"}};
  const auto add = [&](int64_t launches, int64_t moved, int64_t fewest, const std::string& name) {
    rows.push_back({std::to_string(launches), two_places(megabytes(moved)),
                    two_places(megabytes(fewest)), two_places(ratio(moved, fewest)), name});
  };
  for (const KindRow& row : report.kinds) add(row.launches, row.moved, row.fewest_bytes, row.kind);
  add(report.launches, report.moved(), report.fewest_bytes(), "the step");
  return table(rows);
}

}  // namespace

std::string text_of(const StepReport& report) {
  const auto& [model, frozen, image_size, batch, card] = report.options;
  std::string text =
      fmt::format("A training step of {}{}, {} images of {}x{}, every block of it counted.\n\n",
                  model, frozen ? " (head alone)" : "", batch, image_size, image_size);
  text += memory_table(report) + "\n";
  text += fmt::format(
      "Registers of a thread and resident warps of an SM on sm_{}; bytes of shared and local "
      "memory:\n",
      fmt::join(kArchitectures, ", "));
  text += compiler_table(report) + "\n";
  text += kind_table(report) + "\n";
  text += fmt::format(
      "The step: {} launches, {} copies, {} waits of the host, {} allocations.\n"
      "At the {:.0f} GB/s of an {}: {:.2f} ms for all bytes moved, {:.2f} ms where caches absorb "
      "all that a kernel\nasks for again; {:.2f} ms for the fewest bytes of the layers, {:.2f} ms "
      "where the gradients of weights and\ninput are two operations.\n",
      report.launches, report.copies, report.host_waits, report.allocations, card.bandwidth,
      card.name, 1e-3 * microseconds(report.moved(), card),
      1e-3 * microseconds(report.distinct(), card),
      1e-3 * microseconds(report.fewest_bytes(), card),
      1e-3 * microseconds(report.fewest_bytes() + report.again_bytes(), card));
  return text;
}

std::string text_of(std::span<const LayerFloor> layers, int64_t batch) {
  std::vector<Cells> rows{{"layer", "output", "params", "forward MFLOP", "backward MFLOP",
                           "forward MB", "backward MB", "type"}};
  const auto add = [&](const LayerFloor& layer, const std::string& output) {
    rows.push_back({layer.name, output, std::to_string(layer.params),
                    fmt::format("{:.1f}", layer.forward_flop * 1e-6),
                    fmt::format("{:.1f}", layer.backward_flop * 1e-6),
                    two_places(megabytes(layer.forward_bytes)),
                    two_places(megabytes(layer.backward_bytes)), layer.type});
  };
  LayerFloor sum;
  for (const LayerFloor& layer : layers) {
    sum.params += layer.params;
    sum.forward_flop += layer.forward_flop;
    sum.backward_flop += layer.backward_flop;
    sum.forward_bytes += layer.forward_bytes;
    sum.backward_bytes += layer.backward_bytes;
    sum.written += layer.written;
    if (layer.written > 0) add(layer, to_string(layer.output_shape));
  }
  sum.name = "all";
  add(sum, "");
  return table(rows) + fmt::format(
                           "\nA batch of {}: {:.2f} GFLOP forward, {:.2f} forward and backward; "
                           "{:.2f} million output "
                           "elements an image.\n",
                           batch, sum.forward_flop * 1e-9,
                           (sum.forward_flop + sum.backward_flop) * 1e-9,
                           static_cast<double>(sum.written) * 1e-6 / static_cast<double>(batch));
}

}  // namespace ember
