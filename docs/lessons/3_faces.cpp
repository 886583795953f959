#include "docs/lessons/3_faces.h"

#include <algorithm>
#include <numeric>

#include "data/faces.h"
#include "data/image.h"
#include "data/resize.h"
#include "data/scaling.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

namespace ember {
namespace {

constexpr int64_t kFaceElements = kFaceSide * kFaceSide * 3;

/// The square around a face, a quarter wider than it, as far as the photo goes.
ByteTensor cut_out(const FacePhoto& photo, const Box& box) {
  const int64_t height = photo.image.dim(0);
  const int64_t width = photo.image.dim(1);
  const int64_t half = std::max(box.xmax - box.xmin, box.ymax - box.ymin) * 5 / 8;
  const int64_t x = (box.xmin + box.xmax) / 2;
  const int64_t y = (box.ymin + box.ymax) / 2;
  const int64_t left = std::max<int64_t>(x - half, 0);
  const int64_t top = std::max<int64_t>(y - half, 0);
  const int64_t right = std::min(x + half, width);
  const int64_t bottom = std::min(y + half, height);
  ByteTensor face({bottom - top, right - left, 3});
  for (int64_t row = top; row < bottom; ++row) {
    std::copy_n(photo.image.data() + (row * width + left) * 3, (right - left) * 3,
                face.data() + (row - top) * (right - left) * 3);
  }
  ByteTensor resized({kFaceSide, kFaceSide, 3});
  resize_bilinear(face, resized);
  return resized;
}

}  // namespace

FaceAlbum draw_faces(const std::map<std::string, int64_t>& counts, uint64_t seed) {
  constexpr int64_t kPhotosAtOnce = 32;
  std::map<std::string, std::vector<ByteTensor>> faces;
  const auto enough = [&](const auto& wanted) {
    return std::ssize(faces[wanted.first]) >= wanted.second;
  };
  for (int64_t first = 0; !std::all_of(counts.begin(), counts.end(), enough);
       first += kPhotosAtOnce) {
    std::vector<FacePhoto> photos(kPhotosAtOnce);
    parallel_for(kPhotosAtOnce, [&](int64_t i) {
      photos[static_cast<size_t>(i)] = draw_face_photo(seed, first + i);
    });
    for (const FacePhoto& photo : photos) {
      for (const LabelledFace& face : photo.faces)
        faces[face.label].push_back(cut_out(photo, face.box));
    }
  }
  FaceAlbum album;
  for (const auto& [label, pictures] : faces) {
    ByteTensor pixels({std::ssize(pictures), kFaceSide, kFaceSide, 3});
    for (int64_t i = 0; i < pixels.dim(0); ++i)
      pixels.rows(i, i + 1)
          .reshape(pictures[static_cast<size_t>(i)].shape())
          .copy_from(pictures[static_cast<size_t>(i)]);
    album[label] = pixels;
  }
  return album;
}

Faces take(const FaceAlbum& album, const std::vector<std::string>& names, int64_t first,
           int64_t count) {
  Faces faces{ByteTensor({std::ssize(names) * count, kFaceSide, kFaceSide, 3}), {}};
  for (int64_t k = 0; k < std::ssize(names); ++k) {
    faces.pixels.rows(k * count, (k + 1) * count)
        .copy_from(album.at(names[static_cast<size_t>(k)]).rows(first, first + count));
    faces.classes.insert(faces.classes.end(), static_cast<size_t>(count), static_cast<int32_t>(k));
  }
  return faces;
}

FaceBatches::FaceBatches(const Faces& faces, int64_t batch_size, uint64_t seed)
    : images_(faces.pixels.shape()),
      labels_(LabelTensor::from({std::ssize(faces.classes)}, faces.classes)),
      batch_size_(std::min<int64_t>(batch_size, std::ssize(faces.classes))),
      seed_(seed),
      order_(faces.classes.size()),
      batch_images_(images_.shape().with_rows(batch_size_)),
      batch_labels_({batch_size_}) {
  scale_pixels(faces.pixels, Scale::symmetric, images_);
  std::iota(order_.begin(), order_.end(), 0);
}

int64_t FaceBatches::batch_count() const {
  return (labels_.size() + batch_size_ - 1) / batch_size_;
}

void FaceBatches::start_epoch(uint64_t epoch) {
  const Philox random(seed_, Purpose::shuffle, epoch);
  std::sort(order_.begin(), order_.end(), [&](int64_t a, int64_t b) {
    return std::pair(random.bits(static_cast<uint64_t>(a)), a) <
           std::pair(random.bits(static_cast<uint64_t>(b)), b);
  });
  next_ = 0;
}

std::optional<BatchView> FaceBatches::next() {
  const int64_t rows = std::min(batch_size_, labels_.size() - next_);
  if (rows == 0) return std::nullopt;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t from = order_[static_cast<size_t>(next_ + row)];
    std::copy_n(images_.data() + from * kFaceElements, kFaceElements,
                batch_images_.data() + row * kFaceElements);
    batch_labels_.data()[row] = labels_.data()[from];
  }
  next_ += rows;
  return BatchView{batch_images_.rows(0, rows), batch_labels_.rows(0, rows)};
}

void write_sheet(const std::filesystem::path& path, const Faces& faces, int64_t columns) {
  const int64_t count = faces.pixels.dim(0);
  const int64_t rows = (count + columns - 1) / columns;
  ByteTensor sheet({rows * kFaceSide, columns * kFaceSide, 3});
  sheet.fill(255);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t y = 0; y < kFaceSide; ++y) {
      const int64_t row = i / columns * kFaceSide + y;
      std::copy_n(faces.pixels.data() + i * kFaceElements + y * kFaceSide * 3, kFaceSide * 3,
                  sheet.data() + (row * columns + i % columns) * kFaceSide * 3);
    }
  }
  write_image(path, sheet);
}

}  // namespace ember
