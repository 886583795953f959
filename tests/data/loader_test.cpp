#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <span>
#include <thread>

#include "tests/data/testing.h"
#include "tests/devices.h"
#include "tests/orders.h"

namespace ember {
namespace {

constexpr int64_t kSide = 8;

/// Ten rows that share four photos; row i shows photo i % 4 and has label i % 3.
Dataset small_dataset() {
  Dataset dataset;
  dataset.classes = {"a", "b", "c"};
  dataset.photos.pixels = ByteTensor({4, kSide, kSide, 3});
  for (int64_t photo = 0; photo < 4; ++photo) {
    dataset.photos.pixels.rows(photo, photo + 1)
        .copy_from(
            noise_image(kSide, kSide, static_cast<uint64_t>(photo)).reshape({1, kSide, kSide, 3}));
  }
  for (int32_t i = 0; i < 10; ++i) {
    dataset.rows.push_back({"", dataset.classes[static_cast<size_t>(i % 3)], {}});
    dataset.labels.push_back(i % 3);
    dataset.photos.photo_of.push_back(i % 4);
  }
  return dataset;
}

std::vector<int64_t> all_rows() {
  std::vector<int64_t> rows(10);
  std::iota(rows.begin(), rows.end(), int64_t{0});
  return rows;
}

LoaderOptions options_on(Device device, int64_t batch_size) {
  LoaderOptions options;
  options.batch_size = batch_size;
  options.device = device;
  return options;
}

LoaderOptions augmented(Device device, int64_t batch_size) {
  LoaderOptions options = options_on(device, batch_size);
  options.augmentation = AugmentationRanges{};
  return options;
}

/// One epoch, copied: images and labels of each row in the order served.
struct Epoch {
  std::vector<int64_t> rows;
  std::vector<int64_t> batch_sizes;
  std::vector<int32_t> labels;
  std::vector<float> images;
  bool operator==(const Epoch&) const = default;
};

Epoch serve(Loader& loader, uint64_t number, std::chrono::milliseconds pause = {}) {
  Epoch epoch;
  loader.start_epoch(number);
  while (const Batch* batch = loader.next()) {
    std::this_thread::sleep_for(pause);
    const auto size = static_cast<int64_t>(batch->rows.size());
    CHECK(batch->images.shape() == Shape{size, kSide, kSide, 3});
    CHECK(batch->labels.shape() == Shape{size});
    epoch.batch_sizes.push_back(size);
    epoch.rows.insert(epoch.rows.end(), batch->rows.begin(), batch->rows.end());
    const LabelTensor labels = batch->labels.to(Device::cpu);
    epoch.labels.insert(epoch.labels.end(), labels.values().begin(), labels.values().end());
    const Tensor images = batch->images.to(Device::cpu);
    epoch.images.insert(epoch.images.end(), images.values().begin(), images.values().end());
  }
  CHECK(loader.next() == nullptr);
  return epoch;
}

TEST_CASE("without shuffling and augmentation batches hold the rows in order") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    const Dataset dataset = small_dataset();
    LoaderOptions options = options_on(device, 4);
    options.shuffle = false;
    Loader loader(dataset, all_rows(), options);
    CHECK(loader.row_count() == 10);
    CHECK(loader.batch_count() == 3);
    CHECK(loader.next() == nullptr);  // no epoch has begun
    const Epoch epoch = serve(loader, 0);
    CHECK(epoch.rows == all_rows());
    CHECK(epoch.batch_sizes == std::vector<int64_t>{4, 4, 2});
    CHECK(epoch.labels == dataset.labels);
    size_t wrong = 0;
    for (int64_t row = 0; row < 10; ++row) {
      const ByteTensor photo = dataset.pixels_of(row);
      for (int64_t i = 0; i < photo.size(); ++i) {
        const float expected = static_cast<float>(photo.data()[i]) / 255.0f;
        wrong += epoch.images[static_cast<size_t>(row * photo.size() + i)] != expected ? 1 : 0;
      }
    }
    CHECK(wrong == 0);
    CHECK(serve(loader, 1) == epoch);
  }
}

TEST_CASE("shuffling serves every row once, each epoch in an order of its own") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    const Dataset dataset = small_dataset();
    LoaderOptions options = options_on(device, 3);
    Loader loader(dataset, {9, 2, 5, 7}, options);
    const Epoch first = serve(loader, 0);
    std::vector<std::vector<int64_t>> orders;
    for (uint64_t number = 0; number < 12; ++number) {
      const Epoch epoch = serve(loader, number);
      std::vector<int64_t> sorted = epoch.rows;
      std::sort(sorted.begin(), sorted.end());
      CHECK(sorted == std::vector<int64_t>{2, 5, 7, 9});
      for (size_t i = 0; i < 4; ++i) CHECK(epoch.labels[i] == epoch.rows[i] % 3);
      orders.push_back(epoch.rows);
    }
    std::sort(orders.begin(), orders.end());
    orders.erase(std::unique(orders.begin(), orders.end()), orders.end());
    CHECK(orders.size() > 5);
    CHECK(serve(loader, 0) == first);  // an epoch can be repeated

    options.seed = 2;
    Loader other(dataset, {9, 2, 5, 7}, options);
    std::vector<std::vector<int64_t>> same;
    for (uint64_t number = 0; number < 6; ++number) {
      const Epoch epoch = serve(other, number);
      if (epoch.rows == serve(loader, number).rows) same.push_back(epoch.rows);
    }
    CHECK(same.size() < 6);
  }
}

TEST_CASE("an augmented image depends on the seed, the epoch and its row alone") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    const Dataset dataset = small_dataset();
    LoaderOptions options = augmented(device, 4);
    options.scale = Scale::symmetric;
    Loader loader(dataset, all_rows(), options);
    const Epoch epoch = serve(loader, 3);
    CHECK(serve(loader, 4).images != epoch.images);
    CHECK(serve(loader, 3, std::chrono::milliseconds(5)) == epoch);

    const Scaling scaling = scaling_of(options.scale);
    const Philox random(options.seed, Purpose::augmentation, 3);
    float worst = 0;
    for (size_t i = 0; i < 10; ++i) {
      const auto row = static_cast<uint64_t>(epoch.rows[i]);
      const auto parameters = draw_augmentation({}, random, row, kSide, kSide);
      Tensor expected({kSide, kSide, 3});
      warp(dataset.pixels_of(epoch.rows[i]).data(), kSide, kSide,
           pixel_map(parameters, kSide, kSide), 1, scaling, expected.data());
      const std::span<const float> pixels = expected.values();
      for (size_t k = 0; k < pixels.size(); ++k) {
        worst = std::max(worst, std::abs(epoch.images[i * pixels.size() + k] - pixels[k]));
      }
    }
    CHECK(worst <= (device == Device::cpu ? 0.0f : 1e-6f));
  }
}

TEST_CASE("a batch stays as it is until the next is asked for") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    const Dataset dataset = small_dataset();
    Loader loader(dataset, all_rows(), augmented(device, 1));
    const Epoch expected = serve(loader, 0);
    loader.start_epoch(0);
    for (size_t i = 0; const Batch* batch = loader.next(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the thread runs ahead
      const Tensor images = batch->images.to(Device::cpu);
      const size_t size = images.values().size();
      CHECK(std::equal(images.values().begin(), images.values().end(),
                       expected.images.begin() + static_cast<std::ptrdiff_t>(i * size)));
    }
  }
}

TEST_CASE("an epoch can be left before its end") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    const Dataset dataset = small_dataset();
    LoaderOptions options = options_on(device, 2);
    Loader loader(dataset, all_rows(), options);
    const Epoch expected = serve(loader, 7);
    for (uint64_t number = 0; number < 50; ++number) {
      loader.start_epoch(number);
      for (uint64_t i = 0; i < number % 4; ++i) CHECK(loader.next() != nullptr);
    }
    CHECK(serve(loader, 7) == expected);
    loader.start_epoch(0);  // and a loader be destroyed in the middle of one
  }
}

TEST_CASE("nothing is allocated after the start") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    const Dataset dataset = small_dataset();
    Loader loader(dataset, all_rows(), augmented(device, 4));
    const int64_t before = memory_stats().allocations;
    for (uint64_t number = 0; number < 3; ++number) {
      loader.start_epoch(number);
      while (loader.next() != nullptr) {
      }
    }
    CHECK(memory_stats().allocations == before);
  }
}

TEST_CASE("what goes wrong in the thread reaches the caller, after the batches before it") {
  const Dataset dataset = small_dataset();
  LoaderOptions options;
  options.batch_size = 2;
  options.shuffle = false;
  Loader loader(dataset, {0, 1, 2, 10}, options);
  for (uint64_t number = 0; number < 2; ++number) {
    loader.start_epoch(number);
    CHECK(loader.next() != nullptr);
    check_error(ExitCode::internal, {"row 10 of a data set of 10"}, [&] { loader.next(); });
  }
}

TEST_CASE("orders: an epoch of batches") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    const Dataset dataset = small_dataset();
    for (const LoaderOptions& options : {options_on(device, 3), augmented(device, 4)}) {
      require_equal_in_any_order(device, [&] {
        Loader loader(dataset, all_rows(), options);
        std::vector<Tensor> batches;
        loader.start_epoch(5);
        while (const Batch* batch = loader.next()) batches.push_back(batch->images.clone());
        return batches;
      });
    }
  }
}

TEST_CASE("no rows make no batches") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    const Dataset dataset = small_dataset();
    Loader loader(dataset, {}, options_on(device, 32));
    loader.start_epoch(0);
    CHECK(loader.batch_count() == 0);
    CHECK(loader.next() == nullptr);
  }
}

TEST_CASE("classes get their shares of every batch") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    const Dataset dataset = small_dataset();  // four rows of class 0, three each of 1 and 2
    LoaderOptions options = augmented(device, 4);
    options.class_shares = {0.25, 0.25, 0.5};
    Loader loader(dataset, all_rows(), options);
    const Epoch epoch = serve(loader, 3);
    CHECK(epoch.batch_sizes == std::vector<int64_t>{4, 4, 2});
    for (const size_t batch : {0, 4}) {
      const auto first = epoch.labels.begin() + static_cast<int64_t>(batch);
      CHECK(std::count(first, first + 4, 0) == 1);
      CHECK(std::count(first, first + 4, 1) == 1);
      CHECK(std::count(first, first + 4, 2) == 2);
    }
    CHECK(serve(loader, 4).rows != epoch.rows);
    CHECK(serve(loader, 3) == epoch);

    // Class 2 is served in turn: each row once before any comes again, and then it looks different.
    std::vector<size_t> places;
    for (size_t i = 0; i < epoch.rows.size(); ++i) {
      if (epoch.labels[i] == 2) places.push_back(i);
    }
    REQUIRE(places.size() == 5);
    const auto row = [&](size_t k) { return epoch.rows[places[k]]; };
    CHECK(row(0) != row(1));
    CHECK(row(0) != row(2));
    CHECK(row(1) != row(2));
    const int64_t size = kSide * kSide * 3;
    for (size_t again = 3; again < 5; ++again) {
      for (size_t before = 0; before < 3; ++before) {
        if (row(before) != row(again)) continue;
        const float* image = epoch.images.data();
        const auto begin = [&](size_t k) { return image + static_cast<int64_t>(places[k]) * size; };
        CHECK_FALSE(std::equal(begin(before), begin(before) + size, begin(again)));
      }
    }
  }
}

}  // namespace
}  // namespace ember
