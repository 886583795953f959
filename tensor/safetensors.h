#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

/// Tensor files in the safetensors format (https://github.com/huggingface/safetensors): eight bytes
/// with the header's length (little-endian), a JSON header that gives each tensor's type, shape and
/// place, then the elements.
namespace ember {

/// What a file of float32 tensors holds.
struct TensorFile {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;
};

/// Writes `file` so that equal contents give equal bytes: compact JSON, the metadata first, tensors
/// in byte order of their names without gaps, the header padded with spaces to a multiple of eight
/// bytes. The file appears complete or not at all; errors as of AtomicFile.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

/// Reads a file of float32 tensors; errors as of SafetensorsFile.
TensorFile read_safetensors(const std::filesystem::path& path);

/// Element types that a file may hold.
enum class DType { f32, f64, i64, i32, u8 };

/// "F32", as in the header.
std::string_view to_string(DType dtype);

/// A safetensors file of any element types, checked and read as a whole when it is opened.
///
/// Throws Error(no_input) when there is no readable file, and Error(data) with a reason when it is
/// not a safetensors file, is truncated, has bytes that belong to no tensor or to several, a tensor
/// whose size does not match its shape, a name twice, more than four dimensions or another type.
class SafetensorsFile {
 public:
  /// Where a tensor stands, in bytes from the start of the data.
  struct Entry {
    DType dtype;
    Shape shape;
    size_t begin;
    size_t end;
  };

  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// In byte order.
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return entries_.contains(name); }

  /// What follows throws Error(data) when there is no such tensor.
  DType dtype(const std::string& name) const { return entry(name).dtype; }
  const Shape& shape(const std::string& name) const { return entry(name).shape; }

  /// The elements of an F32 tensor, of a U8 tensor; Error(data) for any other type.
  Tensor tensor(const std::string& name) const;
  ByteTensor bytes(const std::string& name) const;

  /// The elements of a tensor of whole numbers (I64, I32, U8), of any tensor.
  std::vector<int64_t> integers(const std::string& name) const;
  std::vector<double> doubles(const std::string& name) const;

 private:
  void parse_header(const std::string& text, size_t data_bytes);
  void check_coverage(size_t data_bytes) const;
  const Entry& entry(const std::string& name) const;
  const Entry& entry(const std::string& name, DType dtype) const;

  std::filesystem::path path_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Entry> entries_;
  std::vector<std::byte> data_;
};

}  // namespace ember
