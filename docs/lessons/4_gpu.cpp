// Lesson 4: from the naive kernel to the fast one, on a GPU that is emulated. 4_gpu.md tells the
// story; the kernels stand in 4_gpu.cu.
#include "docs/lessons/4_gpu.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>
#include <string>

#include "apps/program.h"
#include "kernels/emulator/emulator.h"
#include "kernels/matmul.h"
#include "kernels/naive/naive.h"
#include "tensor/random.h"

namespace ember {
namespace {

constexpr int64_t kWarp = 32;

/// Whole numbers from -4 to 4: every product and every sum is exact, in whatever order.
Tensor whole_numbers(int64_t rows, int64_t columns, uint64_t seed) {
  Tensor matrix({rows, columns});
  const Philox random(seed, Purpose::weights, 0);
  for (int64_t i = 0; i < matrix.size(); ++i)
    matrix.data()[i] = std::floor(9 * random.uniform(static_cast<uint64_t>(i))) - 4;
  return matrix;
}

using Multiply = void(const Tensor& a, const Tensor& b, Tensor& c);

struct Step {
  const char* name;
  Multiply* multiply;
};

constexpr Step kSteps[] = {
    {"1 neighbours in rows", cuda::lesson::neighbours_in_rows},
    {"2 neighbours in columns", cuda::naive::matmul},
    {"3 shared tiles", cuda::lesson::shared_tiles},
    {"4 padded", cuda::lesson::padded_tiles},
    {"5 register tiles", cuda::lesson::register_tiles},
    {"Ember's", cuda::matmul},
};

/// What one launch of `multiply` did.
emulator::KernelCounters count(Multiply* multiply, const Tensor& a, const Tensor& b, Tensor& c) {
  emulator::reset_counters();
  emulator::set_watch(emulator::Watch::counters);
  multiply(a, b, c);
  emulator::set_watch(emulator::Watch::faults);
  EMBER_REQUIRE(emulator::counters().size() == 1, "a step is one kernel");
  return emulator::counters().begin()->second;
}

/// "1.00", how many times the fewest; "-" where there is nothing.
std::string times_fewest(const emulator::AccessCounters& load,
                         const emulator::AccessCounters& store) {
  const int64_t fewest = load.fewest + store.fewest;
  if (fewest == 0) return "-";
  return fmt::format("{:.2f}",
                     static_cast<double>(load.transactions + store.transactions) / fewest);
}

void print_counters(const char* name, const emulator::KernelCounters& counted, int64_t products) {
  constexpr double kSectorBytes = 32;
  const auto& load = counted.global_load;
  const auto& store = counted.global_store;
  const auto& shared_load = counted.shared_load;
  const auto& shared_store = counted.shared_store;
  const auto warp_products = static_cast<double>(products) / kWarp;
  const int64_t requests =
      load.requests + store.requests + shared_load.requests + shared_store.requests;
  const int64_t lanes = load.lanes + store.lanes + shared_load.lanes + shared_store.lanes;
  fmt::print(
      "{:<24} {:>9.2f} {:>8} {:>13.2f} {:>8} {:>12.3f} {:>9} {:>6.1f}\n", name,
      static_cast<double>(load.transactions + store.transactions) * kSectorBytes * 1e-6,
      times_fewest(load, store),
      static_cast<double>(shared_load.transactions + shared_store.transactions) / warp_products,
      times_fewest(shared_load, shared_store), static_cast<double>(requests) / warp_products,
      counted.barriers / counted.blocks,
      static_cast<double>(lanes) / static_cast<double>(requests));
}

void run_lesson(int64_t size) {
  const Tensor a = whole_numbers(size, size, 1);
  const Tensor b = whole_numbers(size, size, 2);
  Tensor expected({size, size});
  matmul(a, b, expected);
  const Tensor device_a = a.to(Device::cuda);
  const Tensor device_b = b.to(Device::cuda);
  Tensor device_c({size, size}, Device::cuda);
  const int64_t products = size * size * size;

  fmt::print("c = a * b, all of {}: {:.2f} million multiply-adds.\n", to_string(a.shape()),
             static_cast<double>(products) * 1e-6);
  fmt::print("To read a and b once and to write c once is to move {:.2f} MB.\n\n",
             static_cast<double>(3 * size * size * sizeof(float)) * 1e-6);
  if (emulator::has_hooks()) {
    fmt::print("{:<24} {:>18} {:>22} {:>12} {:>9} {:>6}\n", "", "global memory", "shared memory",
               "requests", "barriers", "lanes");
    fmt::print("{:<24} {:>9} {:>8} {:>13} {:>8} {:>12} {:>9} {:>6}\n", "step", "MB moved",
               "/fewest", "passes/product", "/fewest", "/product", "a block", "of 32");
  }
  for (const Step& step : kSteps) {
    device_c.fill(NAN);                           // an element that nobody writes shows
    step.multiply(device_a, device_b, device_c);  // under the checker, which would stop it
    const Tensor c = device_c.to(Device::cpu);
    for (int64_t i = 0; i < c.size(); ++i) {
      EMBER_REQUIRE(c.data()[i] == expected.data()[i], "{}: element {} is {} instead of {}",
                    step.name, i, c.data()[i], expected.data()[i]);
    }
    if (!emulator::has_hooks()) continue;
    print_counters(step.name, count(step.multiply, device_a, device_b, device_c), products);
    std::fflush(stdout);
  }
  fmt::print("\nEach product equals the CPU's in every element{}\n",
             emulator::has_hooks() ? ", and the checker found nothing."
                                   : "; this build's emulated GPU neither checks nor counts.");
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  int64_t size = 256;
  CLI::App app("Lesson 4: a matrix product on a GPU, from the naive kernel to the fast one",
               "lesson_4_gpu");
  app.add_option("--size", size, "Rows and columns of the matrices, a multiple of 64")
      ->capture_default_str()
      ->check([](const std::string& text) {
        const int64_t value = std::atoll(text.c_str());
        return value > 0 && value % ember::cuda::lesson::kSizeUnit == 0
                   ? ""
                   : "not a positive multiple of 64";
      });
  return ember::run_program(app, argc, argv, [&] { ember::run_lesson(size); });
}
