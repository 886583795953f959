#include "data/warp.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "data/warp.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "tensor/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Ints = hn::RebindToSigned<Floats>;
using Unsigneds = hn::RebindToUnsigned<Floats>;

constexpr size_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);

/// One coordinate of a vector of neighbouring output pixels, as whole part and 32 fraction bits.
struct Coordinate {
  hn::Vec<Ints> whole;
  hn::Vec<Unsigneds> fraction;

  HWY_INLINE Coordinate(int64_t first, int64_t step) {
    HWY_ALIGN std::array<int32_t, kMaxLanes> wholes;
    HWY_ALIGN std::array<uint32_t, kMaxLanes> fractions;
    for (size_t i = 0; i < hn::Lanes(Floats()); ++i, first += step) {
      wholes[i] = static_cast<int32_t>(first >> 32);
      fractions[i] = static_cast<uint32_t>(first);
    }
    whole = hn::Load(Ints(), wholes.data());
    fraction = hn::Load(Unsigneds(), fractions.data());
  }

  HWY_INLINE void advance(int64_t step) {
    const auto before = fraction;
    fraction = hn::Add(fraction, hn::Set(Unsigneds(), static_cast<uint32_t>(step)));
    const auto carry =
        hn::VecFromMask(Unsigneds(), hn::Lt(fraction, before));  // -1 where it is set
    whole = hn::Sub(hn::Add(whole, hn::Set(Ints(), static_cast<int32_t>(step >> 32))),
                    hn::BitCast(Ints(), carry));
  }

  /// The two neighbours, clamped to [0, last], and the weight of the second.
  HWY_INLINE void neighbours(int32_t last, hn::Vec<Ints>& low, hn::Vec<Ints>& high,
                             hn::Vec<Floats>& weight) const {
    const auto zero = hn::Zero(Ints());
    const auto limit = hn::Set(Ints(), last);
    low = hn::Min(hn::Max(whole, zero), limit);
    high = hn::Min(hn::Add(low, hn::Set(Ints(), 1)), limit);
    const auto bits = hn::BitCast(Ints(), hn::ShiftRight<8>(fraction));
    const auto inside = hn::AndNot(hn::VecFromMask(Ints(), hn::Lt(whole, zero)), bits);
    weight = hn::Mul(hn::ConvertTo(Floats(), inside), hn::Set(Floats(), 0x1p-24f));
  }
};

HWY_INLINE hn::Vec<Floats> mix(hn::Vec<Floats> a, hn::Vec<Floats> b, hn::Vec<Floats> weight) {
  return hn::MulAdd(weight, hn::Sub(b, a), a);
}

/// Byte `kByte` of each pixel.
template <int kByte>
HWY_INLINE hn::Vec<Floats> channel(hn::Vec<Ints> pixels) {
  const auto value = hn::And(hn::ShiftRight<8 * kByte>(pixels), hn::Set(Ints(), 255));
  return hn::ConvertTo(Floats(), value);
}

/// The four pixels around each sampling point.
struct Corners {
  hn::Vec<Ints> top_left;
  hn::Vec<Ints> top_right;
  hn::Vec<Ints> bottom_left;
  hn::Vec<Ints> bottom_right;
};

template <int kChannel>
HWY_INLINE hn::Vec<Floats> sample(const Corners& corners, hn::Vec<Floats> u, hn::Vec<Floats> v,
                                  hn::Vec<Floats> brightness, const Scaling& scaling) {
  const Floats d;
  const auto top =
      mix(channel<kChannel>(corners.top_left), channel<kChannel>(corners.top_right), u);
  const auto bottom =
      mix(channel<kChannel>(corners.bottom_left), channel<kChannel>(corners.bottom_right), u);
  const auto value = hn::Min(hn::Mul(mix(top, bottom, v), brightness), hn::Set(d, 255.0f));
  return hn::MulAdd(value, hn::Set(d, scaling.factor[kChannel]),
                    hn::Set(d, scaling.offset[kChannel]));
}

void WarpPixels(const int32_t* pixels, int64_t height, int64_t width, const PixelMap& map,
                float brightness, const Scaling& scaling, float* output) {
  const Floats d;
  const auto bright = hn::Set(d, brightness);
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto row_stride = hn::Set(Ints(), static_cast<int32_t>(width));
  HWY_ALIGN std::array<float, 3 * kMaxLanes> last_pixels;
  for (int64_t r = 0; r < height; ++r) {
    Coordinate row(map.row_offset + r * map.row_row, map.row_column);
    Coordinate column(map.column_offset + r * map.column_row, map.column_column);
    float* out = output + r * width * 3;
    for (int64_t c = 0; c < width; c += lanes) {
      hn::Vec<Ints> top, bottom, left, right;
      hn::Vec<Floats> u, v;
      row.neighbours(static_cast<int32_t>(height - 1), top, bottom, v);
      column.neighbours(static_cast<int32_t>(width - 1), left, right, u);
      top = hn::Mul(top, row_stride);
      bottom = hn::Mul(bottom, row_stride);
      const Corners corners{hn::GatherIndex(Ints(), pixels, hn::Add(top, left)),
                            hn::GatherIndex(Ints(), pixels, hn::Add(top, right)),
                            hn::GatherIndex(Ints(), pixels, hn::Add(bottom, left)),
                            hn::GatherIndex(Ints(), pixels, hn::Add(bottom, right))};
      const bool whole = c + lanes <= width;
      float* to = whole ? out + c * 3 : last_pixels.data();
      hn::StoreInterleaved3(sample<0>(corners, u, v, bright, scaling),
                            sample<1>(corners, u, v, bright, scaling),
                            sample<2>(corners, u, v, bright, scaling), d, to);
      if (!whole) std::copy_n(to, (width - c) * 3, out + c * 3);
      row.advance(lanes * map.row_column);
      column.advance(lanes * map.column_column);
    }
  }
}

}  // namespace ember::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {

HWY_EXPORT(WarpPixels);

void warp(const uint8_t* image, int64_t height, int64_t width, const PixelMap& map,
          float brightness, const Scaling& scaling, float* output) {
  // A pixel in four bytes can be gathered at once.
  thread_local std::vector<int32_t> pixels;
  pixels.resize(static_cast<size_t>(height * width));
  for (size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = image[3 * i] | image[3 * i + 1] << 8 | image[3 * i + 2] << 16;
  }
  HWY_DYNAMIC_DISPATCH(WarpPixels)(pixels.data(), height, width, map, brightness, scaling, output);
}

namespace cpu {

void warp_batch(const ByteTensor& photos, const IndexTensor& photo_of,
                const TensorOf<PixelMap>& maps, const Tensor& brightness, const Scaling& scaling,
                Tensor& images) {
  const int64_t height = photos.dim(1);
  const int64_t width = photos.dim(2);
  const int64_t size = height * width * 3;
  for (int64_t n = 0; n < photo_of.size(); ++n) {
    warp(photos.data() + photo_of.data()[n] * size, height, width, maps.data()[n],
         brightness.data()[n], scaling, images.data() + n * size);
  }
}

}  // namespace cpu

void warp_batch(const ByteTensor& photos, const IndexTensor& photo_of,
                const TensorOf<PixelMap>& maps, const Tensor& brightness, const Scaling& scaling,
                Tensor& images) {
  require_batch("warp_batch", photos, photo_of, images);
  EMBER_REQUIRE(maps.shape() == photo_of.shape() && maps.device() == photo_of.device(),
                "warp_batch: maps {} on {}, photo_of {} on {}", to_string(maps.shape()),
                to_string(maps.device()), to_string(photo_of.shape()),
                to_string(photo_of.device()));
  EMBER_REQUIRE(brightness.shape() == photo_of.shape() && brightness.device() == photo_of.device(),
                "warp_batch: brightness {} on {}, photo_of {} on {}", to_string(brightness.shape()),
                to_string(brightness.device()), to_string(photo_of.shape()),
                to_string(photo_of.device()));
  EMBER_DISPATCH(images.device(), warp_batch, photos, photo_of, maps, brightness, scaling, images);
}

}  // namespace ember
#endif
