#include "tensor/cuda/readback.h"

#include <vector>

#include "tensor/cuda/stream.h"
#include "tensor/device.h"
#include "tensor/error.h"

namespace ember::cuda {

struct Readback::Ring {
  size_t bytes;
  Storage slots;  ///< pinned, so that copies do not wait
  std::vector<Event> copied;
  int64_t queued = 0;  ///< copies that ever were
  int64_t taken = 0;

  int64_t capacity() const { return static_cast<int64_t>(copied.size()); }
  const Event& oldest() const { return copied[static_cast<size_t>(taken % capacity())]; }
  std::byte* slot(int64_t number) const {
    return slots.data() + static_cast<size_t>(number % capacity()) * bytes;
  }
};

Readback::Readback(size_t bytes, int64_t capacity)
    : ring_(new Ring{
          .bytes = bytes,
          .slots = {Device::cpu, bytes * static_cast<size_t>(capacity), HostMemory::pinned},
          .copied = std::vector<Event>(static_cast<size_t>(capacity))}) {}

Readback::~Readback() = default;
Readback::Readback(Readback&&) noexcept = default;
Readback& Readback::operator=(Readback&&) noexcept = default;

void Readback::queue(const void* from) {
  Ring& ring = *ring_;
  EMBER_REQUIRE(ring.queued - ring.taken < ring.capacity(), "readback: {} copies are on their way",
                ring.capacity());
  copy_bytes_async(ring.slot(ring.queued), Device::cpu, from, Device::cuda, ring.bytes);
  ring.copied[static_cast<size_t>(ring.queued % ring.capacity())].record(current_stream());
  ring.queued += 1;
}

bool Readback::arrived() const { return ring_->taken < ring_->queued && ring_->oldest().done(); }

const std::byte* Readback::take() {
  Ring& ring = *ring_;
  EMBER_REQUIRE(ring.taken < ring.queued, "readback: nothing is on its way");
  ring.oldest().wait();
  return ring.slot(ring.taken++);
}

}  // namespace ember::cuda
