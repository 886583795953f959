#include "apps/checkpoint.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>

#include "tensor/error.h"
#include "tensor/safetensors.h"

namespace ember {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "ember-checkpoint-1";
constexpr std::string_view kPrefix = "checkpoint-";
constexpr std::string_view kSuffix = ".safetensors";

uint32_t checksum_of(const Tensor& tensor) { return checksum(std::as_bytes(tensor.values())); }

uint32_t checksum_of(const std::string& text) {
  return checksum(std::as_bytes(std::span<const char>(text)));
}

std::string metadata_of(const TensorFile& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? "" : found->second;
}

/// Throws Error(data) where anything differs from what was written.
Checkpoint read(const fs::path& path) {
  TensorFile file = read_safetensors(path);
  const auto refuse = [&](const std::string& what) {
    fail(ExitCode::data, "{}: {} is damaged", path.string(), what);
  };
  const std::string state = metadata_of(file, "state");
  const Json checksums = Json::parse(metadata_of(file, "checksums"), nullptr, false);
  const auto matches = [&](const std::string& name, uint32_t sum) {
    return checksums.is_object() && checksums.contains(name) && checksums[name] == sum;
  };
  if (metadata_of(file, "format") != kFormat || !matches("", checksum_of(state)) ||
      checksums.size() != file.tensors.size() + 1) {
    refuse("the header");
  }
  for (const auto& [name, tensor] : file.tensors) {
    if (!matches(name, checksum_of(tensor))) refuse(name);
  }
  return {state, std::move(file.tensors)};
}

}  // namespace

uint32_t checksum(std::span<const std::byte> bytes, uint32_t before) {
  return static_cast<uint32_t>(
      crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

fs::path Checkpoints::file(int number) const {
  return folder_ / fmt::format("{}{}{}", kPrefix, number, kSuffix);
}

std::vector<int> Checkpoints::numbers() const {
  std::vector<int> numbers;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    const char* begin = name.data() + kPrefix.size();
    const char* end = name.data() + name.size() - kSuffix.size();
    int number = 0;
    const auto [stop, error] = std::from_chars(begin, end, number);
    if (error == std::errc() && stop == end) numbers.push_back(number);
  }
  std::sort(numbers.rbegin(), numbers.rend());
  return numbers;
}

void Checkpoints::save(const Checkpoint& checkpoint) const {
  Json checksums = {{"", checksum_of(checkpoint.state)}};
  for (const auto& [name, tensor] : checkpoint.tensors) checksums[name] = checksum_of(tensor);
  const std::vector<int> before = numbers();
  write_safetensors(file(before.empty() ? 1 : before.front() + 1),
                    {.metadata = {{"format", kFormat},
                                  {"state", checkpoint.state},
                                  {"checksums", checksums.dump()}},
                     .tensors = checkpoint.tensors});
  std::error_code ignored;
  for (size_t k = 1; k < before.size(); ++k) fs::remove(file(before[k]), ignored);
}

std::optional<Checkpoint> Checkpoints::newest(const Report& report) const {
  for (const int number : numbers()) {
    try {
      return read(file(number));
    } catch (const Error& error) {
      report(fmt::format("warning: {}; going on from the one before", error.what()));
    }
  }
  return std::nullopt;
}

void Checkpoints::remove() const {
  std::error_code ignored;
  for (const int number : numbers()) fs::remove(file(number), ignored);
}

}  // namespace ember
