#include "data/faces.h"

#include <tinyxml2.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <numeric>
#include <string_view>
#include <system_error>

#include "data/drawing/canvas.h"
#include "data/drawing/dice.h"
#include "data/drawing/portrait.h"
#include "data/drawing/scenery.h"
#include "data/image.h"
#include "tensor/error.h"
#include "tensor/interrupt.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 3> kLabels{"with_mask", "without_mask", "mask_weared_incorrect"};
constexpr float kProportions[] = {0.60F, 0.25F, 0.15F};
constexpr uint64_t kFirstNoiseElement = uint64_t{1} << 32;  // beyond all other draws of a photo

/// The classes of a photo's faces.
std::vector<int> draw_classes(uint64_t seed, int64_t index, Dice& dice) {
  if (index == 0) return {0, 1, 2};
  // Steps of the golden ratio round a circle, from a place of the seed's own, spread evenly, so
  // that every run of photos has nearly the same proportions.
  const uint32_t start = Philox(seed, Purpose::faces, ~uint64_t{0}).bits(0);
  const float at = Philox::to_unit(start + static_cast<uint32_t>(index) * 0x9E3779B9u);
  const int main_class = at < kProportions[0] ? 0 : at < kProportions[0] + kProportions[1] ? 1 : 2;
  std::vector<int> classes(1 + dice.weighted({30, 30, 22, 10, 8}), main_class);
  if (dice.chance(0.15F)) {
    for (int& face : classes) face = dice.weighted(kProportions);
  }
  return classes;
}

MaskWear draw_wear(int face_class, Dice& dice) {
  constexpr MaskWear kWrong[] = {MaskWear::under_nose, MaskWear::on_chin, MaskWear::from_ear};
  if (face_class == 0) return MaskWear::over_nose;
  if (face_class == 1) return MaskWear::none;
  return kWrong[dice.weighted({45, 35, 20})];
}

/// People side by side; of four or more, every other one stands farther back and higher.
std::vector<Pose> draw_poses(const Canvas& canvas, int count, Dice& dice) {
  struct Range {
    float low, high;
  };
  // Half the height of a head in pixels, by the number of people.
  constexpr std::array<Range, 5> kRadius{{{46, 59}, {42, 52}, {36, 45}, {30, 37}, {26, 32}}};
  const float slot = static_cast<float>(canvas.width()) / count;
  const auto height = static_cast<float>(canvas.height());
  std::vector<Pose> poses(count);
  for (int i = 0; i < count; ++i) {
    Pose& pose = poses[i];
    const bool behind = count > 3 && i % 2 == 0;
    pose.radius = dice.uniform(kRadius[count - 1].low, kRadius[count - 1].high);
    if (behind) pose.radius *= 0.9F;
    const float slack = std::max(0.0F, slot / 2 - 1.25F * pose.radius);
    pose.centre.x = slot * (i + 0.5F) + dice.uniform(-slack, slack);
    const float high = 1.3F * pose.radius;
    const float low = height - 1.5F * pose.radius;
    const float share = count <= 3 ? dice.uniform(0.25F, 0.75F)
                        : behind   ? dice.uniform(0, 0.2F)
                                   : dice.uniform(0.45F, 0.65F);
    pose.centre.y = mix(high, low, share);
    pose.yaw = dice.uniform(-0.5F, 0.5F);
    pose.pitch = dice.uniform(-0.15F, 0.2F);
    pose.roll = dice.uniform(-0.26F, 0.26F);
  }
  return poses;
}

Light draw_light(Dice& dice) {
  constexpr Colour kTints[] = {
      {1, 1, 1}, {1.05F, 1, 0.92F}, {1.08F, 0.98F, 0.86F}, {0.94F, 1, 1.07F}};
  const float x = dice.uniform(-0.75F, 0.75F);
  const float y = dice.uniform(-0.6F, -0.2F);
  const float ambient = dice.uniform(0.45F, 0.65F);
  return {x, y, std::sqrt(1 - x * x - y * y), ambient, 1.2F - ambient, dice.pick(kTints)};
}

/// The face's box in whole pixels, within the photo.
Box bounds(const Path& face, const Canvas& canvas) {
  const auto [left, right] = std::minmax_element(
      face.begin(), face.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
  const auto [top, bottom] = std::minmax_element(
      face.begin(), face.end(), [](const Point& a, const Point& b) { return a.y < b.y; });
  return {std::max(0, static_cast<int>(std::floor(left->x))),
          std::max(0, static_cast<int>(std::floor(top->y))),
          std::min(canvas.width(), static_cast<int>(std::ceil(right->x))),
          std::min(canvas.height(), static_cast<int>(std::ceil(bottom->y)))};
}

/// What the camera adds: exposure, darker corners and grain.
ByteTensor develop(Canvas& canvas, Philox random, Dice& dice) {
  const float exposure = dice.uniform(0.95F, 1.2F);
  const float vignette = dice.uniform(0, 0.22F);
  const float grain = dice.uniform(0.006F, 0.024F);
  const int width = canvas.width();
  const int height = canvas.height();
  ByteTensor image({height, width, 3});
  uint8_t* pixel = image.data();
  const Point middle{width / 2.0F, height / 2.0F};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x, pixel += 3) {
      const Point from = Point{x + 0.5F, y + 0.5F} - middle;
      const float gain = exposure * (1 - vignette * (from.x * from.x + from.y * from.y) /
                                             (middle.x * middle.x + middle.y * middle.y));
      // The sum of four uniform bytes is nearly normal, of mean 510 and deviation 148.
      const uint32_t bits = random.bits(kFirstNoiseElement + int64_t{y} * width + x);
      const auto sum =
          static_cast<float>((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24));
      const float noise = grain * (sum - 510) / 148;
      const Colour colour = canvas.at(x, y);
      const std::array<float, 3> channels{colour.r, colour.g, colour.b};
      for (int c = 0; c < 3; ++c) {
        pixel[c] = static_cast<uint8_t>(
            std::clamp(255 * (gain * channels[c] + noise) + 0.5F, 0.0F, 255.0F));
      }
    }
  }
  return image;
}

std::string voc_annotation(const FacePhoto& photo, const std::string& file) {
  tinyxml2::XMLPrinter xml;
  const auto leaf = [&](const char* name, const auto& value) {
    xml.OpenElement(name);
    xml.PushText(value);
    xml.CloseElement();
  };
  xml.OpenElement("annotation");
  leaf("folder", "images");
  leaf("filename", file.c_str());
  xml.OpenElement("size");
  leaf("width", static_cast<int>(photo.image.dim(1)));
  leaf("height", static_cast<int>(photo.image.dim(0)));
  leaf("depth", 3);
  xml.CloseElement();
  leaf("segmented", 0);
  for (const LabelledFace& face : photo.faces) {
    xml.OpenElement("object");
    leaf("name", face.label.c_str());
    xml.OpenElement("bndbox");
    leaf("xmin", face.box.xmin);
    leaf("ymin", face.box.ymin);
    leaf("xmax", face.box.xmax);
    leaf("ymax", face.box.ymax);
    xml.CloseElement();
    xml.CloseElement();
  }
  xml.CloseElement();
  return xml.CStr();
}

void write_bytes(const fs::path& path, std::string_view bytes) {
  std::ofstream stream(path, std::ios::binary);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  stream.close();
  if (!stream) fail(ExitCode::io, "{}: writing failed; is the disk full?", path.string());
}

/// A folder that appears under its name when it is complete: until `commit` it is a sibling of
/// another name, which is removed when something fails before.
class PendingFolder {
 public:
  explicit PendingFolder(const fs::path& path) : path_(fs::absolute(path).lexically_normal()) {
    if (!path_.has_filename()) path_ = path_.parent_path();
    std::error_code error;
    if (fs::exists(path_, error) &&
        (!fs::is_directory(path_, error) || !fs::is_empty(path_, error))) {
      fail(ExitCode::cannot_create, "{}: exists and is not an empty folder; choose another one",
           path.string());
    }
    temporary_ = path_;
    temporary_ += fmt::format(".tmp-{}", getpid());
    fs::create_directories(temporary_, error);
    if (error) refuse(error);
  }
  ~PendingFolder() {
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
  }
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;

  /// Makes a folder in it, and says where it is for now.
  fs::path add(const char* name) const {
    std::error_code error;
    fs::create_directory(temporary_ / name, error);
    if (error) refuse(error);
    return temporary_ / name;
  }

  void commit() {
    std::error_code error;
    fs::rename(temporary_, path_, error);
    if (error) refuse(error);
    temporary_.clear();
  }

 private:
  [[noreturn]] void refuse(std::error_code error) const {
    fail(ExitCode::cannot_create, "{}: cannot be created: {}", path_.string(), error.message());
  }

  fs::path path_;
  fs::path temporary_;
};

}  // namespace

FacePhoto draw_face_photo(uint64_t seed, int64_t index) {
  EMBER_REQUIRE(index >= 0, "draw_face_photo: index {}", index);
  const Philox random(seed, Purpose::faces, index);
  Dice dice(random);
  const std::vector<int> classes = draw_classes(seed, index, dice);
  const auto people = static_cast<int>(classes.size());

  Canvas canvas(170 + 30 * people + dice.index(50), 200 + dice.index(40));
  draw_scenery(canvas, dice);
  const Light light = draw_light(dice);
  const std::vector<Pose> poses = draw_poses(canvas, people, dice);

  std::vector<int> back_to_front(people);
  std::iota(back_to_front.begin(), back_to_front.end(), 0);
  std::sort(back_to_front.begin(), back_to_front.end(),
            [&](int a, int b) { return poses[a].centre.y < poses[b].centre.y; });
  FacePhoto photo;
  photo.faces.resize(people);
  for (const int i : back_to_front) {
    const MaskWear wear = draw_wear(classes[i], dice);
    const Path face = draw_person(canvas, poses[i], wear, light, dice);
    photo.faces[i] = {kLabels[classes[i]], bounds(face, canvas)};
  }
  photo.image = develop(canvas, random, dice);
  return photo;
}

void write_face_photos(const fs::path& directory, int64_t count, uint64_t seed) {
  if (count < 1) fail(ExitCode::usage, "{} photos asked for; ask for at least 1", count);
  PendingFolder folder(directory);
  const fs::path images = folder.add("images");
  const fs::path annotations = folder.add("annotations");
  parallel_try(count, [&](int64_t index) {
    check_interrupt();
    const FacePhoto photo = draw_face_photo(seed, index);
    const std::string name = fmt::format("face_{:06}", index);
    const std::vector<uint8_t> file = encode_image(name + ".jpg", photo.image);
    write_bytes(images / (name + ".jpg"),
                {reinterpret_cast<const char*>(file.data()), file.size()});
    write_bytes(annotations / (name + ".xml"), voc_annotation(photo, name + ".jpg"));
  });
  folder.commit();
}

}  // namespace ember
