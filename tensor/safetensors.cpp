#include "tensor/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include "tensor/atomic_file.h"

namespace ember {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

// Far above any real header (MobileNetV2's takes 25 kB), far below what would exhaust the memory.
constexpr uint64_t kMaxHeaderBytes = 16 << 20;

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  size_t bytes;
};
constexpr std::array<DTypeInfo, 5> kDTypes{{{DType::f32, "F32", 4},
                                            {DType::f64, "F64", 8},
                                            {DType::i64, "I64", 8},
                                            {DType::i32, "I32", 4},
                                            {DType::u8, "U8", 1}}};

const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

// As it stands in the header, so that odd characters in a name keep an error message on one line.
std::string json_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Two things that a JSON parser accepts and a header never has: a key twice, and deep nesting.
class HeaderGuard {
 public:
  explicit HeaderGuard(const std::string& path) : path_(path) {}

  bool operator()(int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      if (depth > 2) fail(ExitCode::data, "{}: the header is nested too deeply", path_);
      keys_.at(static_cast<size_t>(depth)).clear();
    } else if (event == Event::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_.at(static_cast<size_t>(depth) - 1).insert(key).second) {
        fail(ExitCode::data, "{}: the header has {} twice", path_, json_text(key));
      }
    }
    return true;
  }

 private:
  const std::string& path_;
  std::array<std::set<std::string>, 3> keys_;
};

nlohmann::json member(const nlohmann::json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object[key] : nlohmann::json();
}

// What the header says of one tensor, checked against itself and the size of the data.
SafetensorsFile::Entry parse_entry(const std::string& path, const std::string& name,
                                   const nlohmann::json& value, uint64_t data_bytes) {
  const auto whole_numbers = [&](const char* key) {
    const nlohmann::json list = member(value, key);
    const auto is_whole = [](const nlohmann::json& item) { return item.is_number_unsigned(); };
    if (!list.is_array() || !std::all_of(list.begin(), list.end(), is_whole)) {
      fail(ExitCode::data, "{}: tensor {}: no \"{}\" of whole numbers", path, json_text(name), key);
    }
    return list.get<std::vector<uint64_t>>();
  };

  const nlohmann::json dtype_name = member(value, "dtype");
  const auto dtype = std::find_if(kDTypes.begin(), kDTypes.end(), [&](const DTypeInfo& known) {
    return dtype_name.is_string() && dtype_name.get_ref<const std::string&>() == known.name;
  });
  if (dtype == kDTypes.end()) {
    fail(ExitCode::data, "{}: tensor {}: type {} is not among F32, F64, I64, I32, U8", path,
         json_text(name), json_text(dtype_name));
  }

  const std::vector<uint64_t> offsets = whole_numbers("data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    fail(ExitCode::data, "{}: tensor {}: \"data_offsets\" are not begin and end", path,
         json_text(name));
  }
  if (offsets[1] > data_bytes) {
    fail(ExitCode::data, "{}: truncated: tensor {} ends at byte {} of {} data bytes", path,
         json_text(name), offsets[1], data_bytes);
  }

  const std::vector<uint64_t> dims = whole_numbers("shape");
  if (dims.size() > Shape::kMaxRank) {
    fail(ExitCode::data, "{}: tensor {}: {} dimensions, at most {} are known", path,
         json_text(name), dims.size(), Shape::kMaxRank);
  }
  uint64_t bytes = dtype->bytes;
  bool overflow = false;
  for (uint64_t dim : dims) {
    overflow |= dim > INT64_MAX || __builtin_mul_overflow(bytes, dim, &bytes);
  }
  if (overflow || bytes != offsets[1] - offsets[0]) {
    fail(ExitCode::data, "{}: tensor {}: {} bytes do not hold {} elements of shape ({})", path,
         json_text(name), offsets[1] - offsets[0], dtype->name, fmt::join(dims, ", "));
  }
  const std::vector<int64_t> signed_dims(dims.begin(), dims.end());
  return {dtype->dtype, Shape(signed_dims), offsets[0], offsets[1]};
}

template <typename T, typename To>
void append_as(const std::byte* data, size_t count, std::vector<To>& values) {
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, data + i * sizeof(T), sizeof(T));
    values.push_back(static_cast<To>(value));
  }
}

}  // namespace

std::string_view to_string(DType dtype) { return info(dtype).name; }

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  size_t offset = 0;
  for (const auto& [name, tensor] : file.tensors) {
    const size_t end = offset + tensor.values().size_bytes();
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail(ExitCode::data, "{}: a name in it is not UTF-8; rename the class or tensor",
         path.string());
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');

  AtomicFile output(path);
  const uint64_t length = text.size();
  output.write(std::as_bytes(std::span(&length, 1)));
  output.write(text);
  for (const auto& [name, tensor] : file.tensors) output.write(std::as_bytes(tensor.values()));
  output.commit();
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  TensorFile result{file.metadata(), {}};
  for (const std::string& name : file.names()) result.tensors[name] = file.tensor(name);
  return result;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    fail(ExitCode::no_input, "{}: {}", path.string(),
         std::filesystem::exists(path, error) ? "not a file" : "no such file");
  }
  const uint64_t file_bytes = std::filesystem::file_size(path, error);
  std::ifstream stream(path, std::ios::binary);
  if (!stream || error) {
    fail(ExitCode::no_input, "{}: cannot be read: {}", path.string(),
         std::generic_category().message(error ? error.value() : errno));
  }
  const auto read = [&](void* to, uint64_t bytes) {
    if (!stream.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes))) {
      fail(ExitCode::io, "{}: reading failed", path.string());
    }
  };

  uint64_t header_bytes = 0;
  if (file_bytes < sizeof(header_bytes)) {
    fail(ExitCode::data, "{}: not a safetensors file: it has {} bytes", path.string(), file_bytes);
  }
  read(&header_bytes, sizeof(header_bytes));
  if (header_bytes > kMaxHeaderBytes) {
    fail(ExitCode::data, "{}: not a safetensors file: its header would have {} bytes",
         path.string(), header_bytes);
  }
  if (header_bytes > file_bytes - sizeof(header_bytes)) {
    fail(ExitCode::data, "{}: truncated: a header of {} bytes in a file of {}", path.string(),
         header_bytes, file_bytes);
  }
  std::string header(header_bytes, '\0');
  read(header.data(), header_bytes);
  const size_t data_bytes = file_bytes - sizeof(header_bytes) - header_bytes;
  parse_header(header, data_bytes);
  check_coverage(data_bytes);
  data_.resize(data_bytes);
  read(data_.data(), data_bytes);
}

void SafetensorsFile::parse_header(const std::string& text, size_t data_bytes) {
  const std::string path = path_.string();
  nlohmann::json header;
  try {
    header = nlohmann::json::parse(text, HeaderGuard(path));
  } catch (const nlohmann::json::parse_error& error) {
    fail(ExitCode::data, "{}: not a safetensors file: no JSON at byte {} of the header", path,
         error.byte);
  }
  if (!header.is_object()) {
    fail(ExitCode::data, "{}: not a safetensors file: the header is no JSON object", path);
  }

  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      entries_[name] = parse_entry(path, name, value, data_bytes);
      continue;
    }
    const auto is_string = [](const nlohmann::json& item) { return item.is_string(); };
    if (!value.is_object() || !std::all_of(value.begin(), value.end(), is_string)) {
      fail(ExitCode::data, "{}: the metadata are not strings", path);
    }
    metadata_ = value.get<std::map<std::string, std::string>>();
  }
}

void SafetensorsFile::check_coverage(size_t data_bytes) const {
  std::vector<std::pair<const Entry*, const std::string*>> in_order;
  for (const auto& [name, entry] : entries_) in_order.emplace_back(&entry, &name);
  std::sort(in_order.begin(), in_order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first->begin, a.first->end) < std::pair(b.first->begin, b.first->end);
  });
  size_t end = 0;
  for (const auto& [entry, name] : in_order) {
    if (entry->begin < end) {
      fail(ExitCode::data, "{}: tensor {} overlaps the one before it", path_.string(),
           json_text(*name));
    }
    if (entry->begin > end) {
      fail(ExitCode::data, "{}: {} bytes before tensor {} belong to no tensor", path_.string(),
           entry->begin - end, json_text(*name));
    }
    end = entry->end;
  }
  if (end != data_bytes) {
    fail(ExitCode::data, "{}: {} bytes too many at its end", path_.string(), data_bytes - end);
  }
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const SafetensorsFile::Entry& SafetensorsFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    fail(ExitCode::data, "{}: no tensor {}", path_.string(), json_text(name));
  }
  return found->second;
}

const SafetensorsFile::Entry& SafetensorsFile::entry(const std::string& name, DType dtype) const {
  const Entry& found = entry(name);
  if (found.dtype != dtype) {
    fail(ExitCode::data, "{}: tensor {} is {}, not {}", path_.string(), json_text(name),
         to_string(found.dtype), to_string(dtype));
  }
  return found;
}

Tensor SafetensorsFile::tensor(const std::string& name) const {
  const Entry& found = entry(name, DType::f32);
  Tensor tensor(found.shape);
  std::memcpy(tensor.data(), data_.data() + found.begin, found.end - found.begin);
  return tensor;
}

ByteTensor SafetensorsFile::bytes(const std::string& name) const {
  const Entry& found = entry(name, DType::u8);
  ByteTensor tensor(found.shape);
  std::memcpy(tensor.data(), data_.data() + found.begin, found.end - found.begin);
  return tensor;
}

std::vector<int64_t> SafetensorsFile::integers(const std::string& name) const {
  const Entry& found = entry(name);
  const std::byte* data = data_.data() + found.begin;
  const auto count = static_cast<size_t>(found.shape.size());
  std::vector<int64_t> values;
  values.reserve(count);
  switch (found.dtype) {
    case DType::i64:
      append_as<int64_t>(data, count, values);
      break;
    case DType::i32:
      append_as<int32_t>(data, count, values);
      break;
    case DType::u8:
      append_as<uint8_t>(data, count, values);
      break;
    case DType::f32:
    case DType::f64:
      fail(ExitCode::data, "{}: tensor {} is {}, not whole numbers", path_.string(),
           json_text(name), to_string(found.dtype));
  }
  return values;
}

std::vector<double> SafetensorsFile::doubles(const std::string& name) const {
  const Entry& found = entry(name);
  const std::byte* data = data_.data() + found.begin;
  const auto count = static_cast<size_t>(found.shape.size());
  std::vector<double> values;
  values.reserve(count);
  if (found.dtype == DType::f32) {
    append_as<float>(data, count, values);
  } else if (found.dtype == DType::f64) {
    append_as<double>(data, count, values);
  } else {
    const std::vector<int64_t> whole = integers(name);
    values.assign(whole.begin(), whole.end());
  }
  return values;
}

}  // namespace ember
