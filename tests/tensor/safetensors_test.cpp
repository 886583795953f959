#include "tensor/safetensors.h"

#include <doctest/doctest.h>

#include <limits>

#include "tensor/random.h"
#include "tensor/temporary_folder.h"
#include "tests/files.h"
#include "tests/golden.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

std::string little_endian(uint64_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

// A whole file with this header.
std::string with_header(const std::string& header, size_t data_bytes) {
  return little_endian(header.size()) + header + std::string(data_bytes, '\0');
}

TensorFile example() {
  TensorFile file;
  file.metadata = {{"format", "ember-1"}, {"classes", R"(["with mask","ohne Maske ü"])"}};
  const float values[] = {1.5f, -0.0f, std::numeric_limits<float>::denorm_min(), 3e38f, 5, 6};
  file.tensors["dense/kernel"] = Tensor::from({2, 3}, values);
  file.tensors["Conv1/bias"] = Tensor::from({1}, {values + 1, 1});
  file.tensors["nothing"] = Tensor({0, 4});
  return file;
}

}  // namespace

TEST_CASE("safetensors are written in the canonical form") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", example());
  std::string header =
      R"({"__metadata__":{"classes":"[\"with mask\",\"ohne Maske ü\"]","format":"ember-1"},)"
      R"("Conv1/bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("dense/kernel":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},)"
      R"("nothing":{"dtype":"F32","shape":[0,4],"data_offsets":[28,28]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string text = content(folder / "a.safetensors");
  REQUIRE(text.size() == 8 + header.size() + 28);
  CHECK(text.substr(0, 8) == little_endian(header.size()));
  CHECK(text.substr(8, header.size()) == header);
  CHECK(text.substr(8 + header.size(), 4) == std::string("\0\0\0\x80", 4));  // -0.0f
}

TEST_CASE("safetensors come back as they were written") {
  const TemporaryFolder folder;
  const TensorFile written = example();
  write_safetensors(folder / "a.safetensors", written);
  const TensorFile read = read_safetensors(folder / "a.safetensors");
  CHECK(read.metadata == written.metadata);
  REQUIRE(read.tensors.size() == written.tensors.size());
  for (const auto& [name, tensor] : written.tensors) {
    REQUIRE(read.tensors.contains(name));
    const Tensor& other = read.tensors.at(name);
    REQUIRE(other.shape() == tensor.shape());
    CHECK(std::memcmp(other.data(), tensor.data(), tensor.values().size_bytes()) == 0);
  }
  write_safetensors(folder / "b.safetensors", read);
  CHECK(content(folder / "a.safetensors") == content(folder / "b.safetensors"));
}

TEST_CASE("a file without tensors and metadata is allowed") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", {});
  CHECK(content(folder / "a.safetensors") == little_endian(8) + "{}      ");
  CHECK(read_safetensors(folder / "a.safetensors").tensors.empty());
}

TEST_CASE("every element type is read") {
  const TemporaryFolder folder;
  std::string text = R"({"f64":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},)"
                     R"("i64":{"dtype":"I64","shape":[1],"data_offsets":[16,24]},)"
                     R"("i32":{"dtype":"I32","shape":[],"data_offsets":[24,28]},)"
                     R"("f32":{"dtype":"F32","shape":[1],"data_offsets":[28,32]},)"
                     R"("u8":{"dtype":"U8","shape":[1,3],"data_offsets":[32,35]}})";
  text = little_endian(text.size()) + text;
  const auto append = [&](const auto& value) {
    text.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  append(1.0 / 3);
  append(-2.5);
  append(int64_t{-1} << 40);
  append(int32_t{-7});
  append(0.5f);
  text += "\x01\x80\xff";
  write_text(folder / "a.safetensors", text);

  const SafetensorsFile file(folder / "a.safetensors");
  CHECK(file.names() == std::vector<std::string>{"f32", "f64", "i32", "i64", "u8"});
  CHECK(file.dtype("f64") == DType::f64);
  CHECK(file.shape("u8") == Shape{1, 3});
  CHECK(file.doubles("f64") == std::vector<double>{1.0 / 3, -2.5});
  CHECK(file.integers("i64") == std::vector<int64_t>{-(int64_t{1} << 40)});
  CHECK(file.doubles("i64") == std::vector<double>{-0x1p40});
  CHECK(file.integers("i32") == std::vector<int64_t>{-7});
  CHECK(file.doubles("f32") == std::vector<double>{0.5});
  CHECK(file.integers("u8") == std::vector<int64_t>{1, 128, 255});
  CHECK(file.bytes("u8").data()[2] == 255);
  CHECK(file.tensor("f32").shape() == Shape{1});
  CHECK_FALSE(file.contains("f16"));

  CHECK_THROWS_WITH_AS(file.tensor("f64"), doctest::Contains("\"f64\" is F64, not F32"), Error);
  CHECK_THROWS_WITH_AS(file.bytes("i32"), doctest::Contains("\"i32\" is I32, not U8"), Error);
  CHECK_THROWS_WITH_AS(file.integers("f32"), doctest::Contains("F32, not whole numbers"), Error);
  CHECK_THROWS_WITH_AS(file.shape("f16"), doctest::Contains("no tensor \"f16\""), Error);
}

TEST_CASE("a damaged file is refused with its name and the reason") {
  struct Damage {
    std::string content;
    std::string reason;
  };
  const std::string a4 = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const std::string huge = R"("shape":[4294967296,4294967296,0],"data_offsets":[0,0]}})";
  const Damage damages[] = {
      {"", "it has 0 bytes"},
      {"1234567", "it has 7 bytes"},
      {little_endian(~uint64_t{0}) + "{}", "its header would have 18446744073709551615 bytes"},
      {little_endian(100) + "{}", "truncated: a header of 100 bytes in a file of 10"},
      {with_header("", 0), "no JSON at byte 1"},
      {with_header("{\"a\":", 0), "no JSON at byte 6"},
      {with_header("{\"\xff\":{}}", 0), "no JSON at byte 3"},
      {with_header("{} {}", 0), "no JSON at byte 4"},
      {with_header("[]", 0), "no JSON object"},
      {with_header(std::string(100000, '['), 0), "nested too deeply"},
      {with_header(R"({"a":[[[[1]]]]})", 0), "nested too deeply"},
      {with_header(R"({"__metadata__":{"a":1}})", 0), "the metadata are not strings"},
      {with_header(R"({"__metadata__":{"a":"1","a":"1"}})", 0), "has \"a\" twice"},
      {with_header(a4 + ',' + a4.substr(1) + '}', 4), "has \"a\" twice"},
      {with_header(R"({"a":3})", 0), "tensor \"a\": type null is not among"},
      {with_header(R"({"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}})", 2), "\"BF16\""},
      {with_header(R"({"a":{"dtype":7}})", 0), "type 7 is not among"},
      {with_header(R"({"a\n":{"dtype":"F32","shape":[1]}})", 4), "\"a\\n\": no \"data_offsets\""},
      {with_header(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4), "no \"shape\""},
      {with_header(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4),
       "no \"shape\" of whole numbers"},
      {with_header(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4),
       "no \"shape\" of whole numbers"},
      {with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4),
       "are not begin and end"},
      {with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4),
       "are not begin and end"},
      {with_header(a4 + '}', 3), "truncated: tensor \"a\" ends at byte 4 of 3"},
      {with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4),
       "4 bytes do not hold F32 elements of shape (2)"},
      {with_header(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[0,4]}})", 4),
       "5 dimensions"},
      {with_header(R"({"a":{"dtype":"F32",)" + huge, 0), "do not hold"},
      {with_header(R"({"a":{"dtype":"U8","shape":[0,18446744073709551615],"data_offsets":[0,0]}})",
                   0),
       "do not hold"},
      {with_header(a4 + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})", 6),
       "tensor \"b\" overlaps"},
      {with_header(a4 + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
       "overlaps"},
      {with_header(a4 + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}})", 9),
       "1 bytes before tensor \"b\" belong to no tensor"},
      {with_header(a4 + '}', 6), "2 bytes too many at its end"},
  };
  const TemporaryFolder folder;
  for (const Damage& damage : damages) {
    CAPTURE(damage.content.substr(0, 120));
    write_text(folder / "damaged.safetensors", damage.content);
    try {
      read_safetensors(folder / "damaged.safetensors");
      FAIL_CHECK("was read");
    } catch (const Error& error) {
      const std::string message = error.what();
      CAPTURE(message);
      CHECK(error.code() == ExitCode::data);
      CHECK(message.starts_with((folder / "damaged.safetensors").string() + ": "));
      CHECK(message.find(damage.reason) != std::string::npos);
      CHECK(message.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a file cut short anywhere, or with a byte changed, is read or refused with an Error") {
  const TemporaryFolder folder;
  write_safetensors(folder / "good.safetensors", example());
  const std::string good = content(folder / "good.safetensors");
  const fs::path path = folder / "fuzz.safetensors";
  for (size_t length = 0; length < good.size(); ++length) {
    write_text(path, good.substr(0, length));
    CAPTURE(length);
    CHECK_THROWS_AS(read_safetensors(path), Error);
  }

  const Philox generator(1, Purpose::shuffle, 0);
  const size_t header_end = good.size() - 28;
  int refused = 0;
  for (uint64_t round = 0; round < 3000; ++round) {
    std::string text = good;
    const auto random = generator.block(round);
    for (size_t change = 0; change <= random[0] % 3; ++change) {
      text[random[change + 1] % header_end] = static_cast<char>(random[change + 1] >> 24);
    }
    write_text(path, text);
    try {
      read_safetensors(path);
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::data);
      ++refused;
    }
  }
  CHECK(refused > 2000);  // what gets through has a changed name or metadata value
}

TEST_CASE("a file that is not there is reported as missing input") {
  const TemporaryFolder folder;
  for (const auto& [path, reason] : {std::pair(folder / "none.safetensors", ": no such file"),
                                     std::pair(folder.path(), ": not a file")}) {
    try {
      read_safetensors(path);
      FAIL_CHECK("was read");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::no_input);
      CHECK(error.what() == path.string() + reason);
    }
  }
}

TEST_CASE("a metadata value that is not UTF-8 is refused before anything is written") {
  const TemporaryFolder folder;
  TensorFile file;
  file.metadata["classes"] = "[\"\xff\"]";
  CHECK_THROWS_WITH_AS(write_safetensors(folder / "a.safetensors", file),
                       doctest::Contains("not UTF-8"), Error);
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("golden files are read") {
  const SafetensorsFile file = golden_file("sampling");
  CHECK(file.dtype("study/train") == DType::i64);
  CHECK(file.integers("study/train").size() == 6787);
}

}  // namespace ember
