#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace ember {

/// Where a tensor's elements live. This build knows the CPU; tensors on `cuda` need a build with
/// CUDA.
enum class Device { cpu, cuda };

std::string_view to_string(Device device);

/// A block of device memory, 64-byte aligned (2 MiB and huge pages asked for from 4 MiB on). Not
/// initialised. Throws Error(unavailable) when this build or machine has no such device.
class Storage {
 public:
  Storage(Device device, size_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Device device() const { return device_; }
  size_t bytes() const { return bytes_; }
  std::byte* data() const { return data_; }

 private:
  Device device_;
  size_t bytes_;
  std::byte* data_;
};

/// What Storage has handed out since the program began: tests assert that a steady training step
/// adds nothing.
struct MemoryStats {
  int64_t allocations;    ///< number of Storage blocks ever made
  int64_t current_bytes;  ///< held now
  int64_t peak_bytes;     ///< the most ever held at once
};
MemoryStats memory_stats();

/// Copies between any two devices; waits until the copy is done.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device, size_t bytes);

}  // namespace ember
