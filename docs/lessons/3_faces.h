#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "nn/train.h"
#include "tensor/tensor.h"

/// The faces of lesson 3: cut out of drawn photos, in memory.
namespace ember {

inline constexpr int64_t kFaceSide = 40;

/// Square pictures of single faces, RGB, (n, 40, 40, 3), by their class in data/faces.h.
using FaceAlbum = std::map<std::string, ByteTensor>;

/// At least so many faces of each class, cut out of drawn photos of this seed, in the order in
/// which they were drawn.
FaceAlbum draw_faces(const std::map<std::string, int64_t>& counts, uint64_t seed);

/// A part of an album for one task: faces and the class of each, an index in the task's names.
struct Faces {
  ByteTensor pixels;
  std::vector<int32_t> classes;
};

/// Faces [first, first + count) of each of the classes named, one class after the other.
Faces take(const FaceAlbum& album, const std::vector<std::string>& names, int64_t first,
           int64_t count);

/// Serves faces in batches, in another order each epoch.
class FaceBatches : public BatchSource {
 public:
  FaceBatches(const Faces& faces, int64_t batch_size, uint64_t seed);

  int64_t batch_count() const override;
  void start_epoch(uint64_t epoch) override;
  std::optional<BatchView> next() override;

 private:
  Tensor images_;  ///< scaled to [-1, 1]
  LabelTensor labels_;
  int64_t batch_size_;
  uint64_t seed_;
  std::vector<int64_t> order_;
  int64_t next_ = 0;
  Tensor batch_images_;
  LabelTensor batch_labels_;
};

/// The faces side by side, `columns` a row, as a picture of the given name.
void write_sheet(const std::filesystem::path& path, const Faces& faces, int64_t columns);

}  // namespace ember
