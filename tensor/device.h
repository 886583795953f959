#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace ember {

/// Where a tensor's elements live: `cuda` is the first GPU that CUDA sees (CUDA_VISIBLE_DEVICES
/// chooses), or the emulated one in a program that was linked with it.
enum class Device { cpu, cuda };

std::string_view to_string(Device device);

/// Memory of the host: as it comes, or page-locked, which copies to and from a GPU need in order
/// not to wait.
enum class HostMemory { pageable, pinned };

/// A block of device memory, 64-byte aligned (on the CPU, 2 MiB and huge pages asked for from 4 MiB
/// on). Not initialised. Throws Error(unavailable) when this machine has no such device (pinned
/// memory needs a GPU too), and where there is not enough memory std::bad_alloc for the host's,
/// Error(internal) with the figures for a GPU's.
class Storage {
 public:
  Storage(Device device, size_t bytes, HostMemory host = HostMemory::pageable);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Device device() const { return device_; }
  size_t bytes() const { return bytes_; }
  std::byte* data() const { return data_; }

 private:
  Device device_;
  HostMemory host_;
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

/// Copies between any two devices. Between the host and a GPU it waits until the copy is done;
/// within a GPU everything happens in the order of the calls anyway.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device, size_t bytes);

/// The same without waiting: the host's memory must be pinned, and stay as it is until a later
/// synchronize.
void copy_bytes_async(void* to, Device to_device, const void* from, Device from_device,
                      size_t bytes);

/// Waits until the device has done all that it was given.
void synchronize(Device device);

/// What went to the GPU since the program began: tests assert what a training step takes.
struct DeviceStats {
  int64_t launches;        ///< of kernels, those of replayed graphs included
  int64_t copies;          ///< between host and GPU, and within it
  int64_t replays;         ///< of graphs
  int64_t host_waits;      ///< times that the host waited for the GPU
  int64_t memory_changes;  ///< blocks of the GPU's memory that were made or given back
};
DeviceStats device_stats();

}  // namespace ember
