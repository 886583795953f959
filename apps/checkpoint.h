#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/annotations.h"
#include "tensor/tensor.h"

namespace ember {

/// What a run needs to go on where it was.
struct Checkpoint {
  std::string state;  ///< JSON
  std::map<std::string, Tensor> tensors;
};

/// The checkpoints of a run, `checkpoint-<n>.safetensors` in its folder. The newest two stay, so
/// that one is whole whenever the run ends. Each tensor and the state have a checksum (CRC-32).
class Checkpoints {
 public:
  explicit Checkpoints(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Writes the next one. Errors as of AtomicFile.
  void save(const Checkpoint& checkpoint) const;

  /// The newest whole one; those that are damaged are reported and passed over.
  std::optional<Checkpoint> newest(const Report& report = report_on_stderr) const;

  /// Removes all of them, at the end of a run.
  void remove() const;

 private:
  std::filesystem::path file(int number) const;
  /// Their numbers, the newest first.
  std::vector<int> numbers() const;

  std::filesystem::path folder_;
};

/// CRC-32 of some bytes, `before` being that of those in front of them.
uint32_t checksum(std::span<const std::byte> bytes, uint32_t before = 0);

}  // namespace ember
