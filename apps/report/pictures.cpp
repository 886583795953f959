#include "apps/report/pictures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "apps/loader_source.h"
#include "data/crop.h"
#include "data/frame.h"
#include "tensor/error.h"

namespace ember {
namespace {

constexpr int64_t kColumns = 8;
constexpr int64_t kMostSamples = 64;
constexpr int64_t kGap = 2;
constexpr int64_t kPhotoSide = 320;  // the longer one

/// An image that was scaled for the network, as bytes again.
ByteTensor unscaled(const Tensor& image, const Scaling& scaling) {
  ByteTensor bytes(image.shape());
  for (int64_t i = 0; i < image.size(); ++i) {
    const auto channel = static_cast<size_t>(i % 3);
    const float value = (image.data()[i] - scaling.offset[channel]) / scaling.factor[channel];
    bytes.data()[i] = static_cast<uint8_t>(std::lround(std::clamp(value, 0.0f, 255.0f)));
  }
  return bytes;
}

void paste(const ByteTensor& image, ByteTensor& sheet, int64_t top, int64_t left) {
  const int64_t width = image.dim(1) * 3;
  for (int64_t row = 0; row < image.dim(0); ++row) {
    std::copy_n(image.data() + row * width, width,
                sheet.data() + ((top + row) * sheet.dim(1) + left) * 3);
  }
}

/// The photo of a row, with a frame around its face, no larger than it is shown.
ByteTensor framed_photo(const StudyData& data, const Row& row) {
  ByteTensor photo;
  try {
    photo = read_image(data.dataset().image_folder / row.file);
  } catch (const Error&) {
    return {};  // it was there when the run began
  }
  const int64_t longer = std::max(photo.dim(0), photo.dim(1));
  const auto thickness = static_cast<int>(std::max<int64_t>(1, longer * 2 / kPhotoSide));
  if (row.box) draw_frame(photo, *row.box, {255, 64, 0}, thickness);
  if (longer <= kPhotoSide) return photo;
  ByteTensor small({std::max<int64_t>(1, photo.dim(0) * kPhotoSide / longer),
                    std::max<int64_t>(1, photo.dim(1) * kPhotoSide / longer), 3});
  resize_crop(photo, {0, 0, static_cast<int>(photo.dim(1)), static_cast<int>(photo.dim(0))}, small);
  return small;
}

}  // namespace

ByteTensor sample_sheet(const Dataset& dataset, const std::vector<int64_t>& rows,
                        const LoaderOptions& options) {
  LoaderSource source(dataset, rows, options);
  source.start_epoch(0);
  const Tensor images = source.next()->images.on(Device::cpu);
  const int64_t count = std::min(kMostSamples, images.dim(0));
  const int64_t side = images.dim(1) + kGap;
  const int64_t lines = (count + kColumns - 1) / kColumns;
  ByteTensor sheet =
      ByteTensor::filled({lines * side - kGap, std::min(kColumns, count) * side - kGap, 3}, 255);
  for (int64_t i = 0; i < count; ++i) {
    const Tensor image = images.rows(i, i + 1).reshape(dataset.image_shape());
    paste(unscaled(image, scaling_of(options.scale)), sheet, i / kColumns * side,
          i % kColumns * side);
  }
  return sheet;
}

std::vector<std::vector<Mistake>> worst_mistakes(const StudyData& data, const TestResult& result,
                                                 size_t most) {
  const auto confidence = [&](size_t i) { return result.probabilities_of(i)[result.predicted(i)]; };
  std::vector<size_t> wrong;
  for (size_t i = 0; i < result.rows.size(); ++i) {
    if (static_cast<int32_t>(result.predicted(i)) != result.labels[i]) wrong.push_back(i);
  }
  std::stable_sort(wrong.begin(), wrong.end(),
                   [&](size_t a, size_t b) { return confidence(a) > confidence(b); });
  std::vector<std::vector<Mistake>> worst(result.classes());
  std::vector<std::set<std::string>> shown(result.classes());
  for (const size_t i : wrong) {
    const auto label = static_cast<size_t>(result.labels[i]);
    const int64_t row = result.rows[i];
    const Row& shown_row = data.dataset().rows[static_cast<size_t>(row)];
    if (worst[label].size() == most || !shown[label].insert(shown_row.file).second) continue;
    worst[label].push_back({i, data.dataset().pixels_of(row), framed_photo(data, shown_row)});
  }
  return worst;
}

std::string data_url(const ByteTensor& image) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::vector<uint8_t> file = encode_image("picture.jpg", image);
  std::string url = "data:image/jpeg;base64,";
  for (size_t at = 0; at < file.size(); at += 3) {
    const size_t count = std::min<size_t>(3, file.size() - at);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < count ? file[at + i] : 0u);
    for (size_t i = 0; i < 4; ++i) {
      url += i <= count ? kDigits[bits >> (18 - 6 * i) & 63] : '=';
    }
  }
  return url;
}

}  // namespace ember
