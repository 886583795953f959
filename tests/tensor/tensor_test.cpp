#include "tensor/tensor.h"

#include <doctest/doctest.h>

#include <cstdint>

#include "tests/tensor/counting.h"

namespace ember {
TEST_CASE("Shape: dimensions, size, text") {
  const Shape shape{2, 3, 4, 5};
  CHECK(shape.rank() == 4);
  CHECK(shape[0] == 2);
  CHECK(shape[-1] == 5);
  CHECK(shape[-4] == 2);
  CHECK(shape.size() == 120);
  CHECK(to_string(shape) == "(2, 3, 4, 5)");
  CHECK(shape.with_rows(7) == Shape{7, 3, 4, 5});
  CHECK(Shape{3, 0}.size() == 0);
  CHECK(Shape{}.size() == 1);
  CHECK(to_string(Shape{}) == "()");
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2} != Shape{2, 1});
}

TEST_CASE("Shape: what makes no sense is refused") {
  CHECK_THROWS_WITH_AS((Shape{1, 2, 3, 4, 5}), doctest::Contains("at most 4 dimensions"), Error);
  CHECK_THROWS_WITH_AS((Shape{2, -1}), doctest::Contains("a dimension cannot be -1"), Error);
  CHECK_THROWS_WITH_AS((Shape{2, 3}[2]), doctest::Contains("axis 2 of a shape of rank 2"), Error);
  CHECK_THROWS_AS((Shape{2, 3}[-3]), Error);
  CHECK_THROWS_AS(Shape{}.with_rows(1), Error);
  CHECK_THROWS_AS((Shape{2}.with_rows(-1)), Error);
}

TEST_CASE("Tensor: a default one is empty, one without elements is not") {
  CHECK(Tensor().empty());
  CHECK(Tensor().size() == 0);
  CHECK_FALSE(Tensor({0, 3}).empty());
  CHECK(Tensor({0, 3}).size() == 0);
}

TEST_CASE("Tensor: elements are aligned for SIMD loads") {
  for (int64_t count : {1, 100, 1 << 20, (1 << 20) + 1}) {
    CHECK(reinterpret_cast<uintptr_t>(Tensor({count}).data()) % 64 == 0);
  }
}

TEST_CASE("Tensor: copies and views share elements, clones do not") {
  Tensor tensor = counting({4, 3});
  Tensor copy = tensor;
  Tensor reshaped = tensor.reshape({2, 6});
  Tensor middle = tensor.rows(1, 3);
  Tensor last = middle.rows(1, 2);
  const Tensor clone = tensor.clone();
  CHECK(reshaped.shape() == Shape{2, 6});
  CHECK(middle.shape() == Shape{2, 3});
  CHECK(middle.data() == tensor.data() + 3);
  CHECK(last.data() == tensor.data() + 6);

  last.fill(-1);
  for (const Tensor& shared : {tensor, copy, reshaped}) CHECK(shared.values()[7] == -1);
  CHECK(middle.values()[3] == -1);
  CHECK(clone.values()[7] == 7);
  CHECK(tensor.values()[9] == 9);
}

TEST_CASE("Tensor: a view keeps the elements alive") {
  Tensor row;
  {
    const Tensor tensor = counting({2, 3});
    row = tensor.rows(1, 2);
  }
  CHECK(row.values()[2] == 5);
}

TEST_CASE("Tensor: views of a storage stand at their offsets and stay inside") {
  const auto arena = std::make_shared<Storage>(Device::cpu, 64);
  Tensor head({4}, arena, 0);
  const Tensor tail({2, 2}, arena, 48);
  Tensor whole({16}, arena, 0);
  whole.fill(2);
  head.fill(1);
  CHECK(whole.values()[3] == 1);
  CHECK(tail.values()[0] == 2);
  CHECK_THROWS_WITH_AS(Tensor({5}, arena, 48),
                       doctest::Contains("tensor (5) at byte 48 leaves a storage of 64 bytes"),
                       Error);
  CHECK_THROWS_AS(Tensor({1}, arena, 2), Error);
}

TEST_CASE("Tensor: values go in and out") {
  const float values[] = {1, 2, 3, 4, 5, 6};
  Tensor tensor = Tensor::from({2, 3}, values);
  CHECK(tensor.values()[5] == 6);
  CHECK(Tensor::zeros({3}).values()[2] == 0);
  CHECK(ByteTensor::filled({3}, 9).values()[1] == 9);

  Tensor target({2, 3});
  target.copy_from(tensor);
  tensor.fill(0);
  CHECK(target.values()[3] == 4);

  CHECK_THROWS_WITH_AS(Tensor::from({2, 2}, values), doctest::Contains("(2, 2): 6 values"), Error);
  CHECK_THROWS_WITH_AS(target.copy_from(Tensor({3, 2})), doctest::Contains("copy (3, 2) to (2, 3)"),
                       Error);
  CHECK_THROWS_WITH_AS(target.reshape({4, 2}), doctest::Contains("reshape (2, 3) to (4, 2)"),
                       Error);
  CHECK_THROWS_WITH_AS(target.rows(1, 3), doctest::Contains("rows 1 to 3 of (2, 3)"), Error);
  CHECK_THROWS_AS(target.rows(-1, 1), Error);
  CHECK_THROWS_AS(target.rows(2, 1), Error);
  CHECK(target.rows(2, 2).size() == 0);
}

TEST_CASE("memory_stats counts blocks, held and peak bytes") {
  const MemoryStats before = memory_stats();
  {
    const Tensor large({1000});
    const Tensor view = large.reshape({10, 100}).rows(2, 3);
    const MemoryStats during = memory_stats();
    CHECK(during.allocations == before.allocations + 1);
    CHECK(during.current_bytes == before.current_bytes + 4000);
    CHECK(during.peak_bytes >= during.current_bytes);
  }
  const MemoryStats after = memory_stats();
  CHECK(after.allocations == before.allocations + 1);
  CHECK(after.current_bytes == before.current_bytes);

  const int64_t more = after.peak_bytes - after.current_bytes + 1;
  { const ByteTensor tensor({more}); }
  CHECK(memory_stats().peak_bytes == after.peak_bytes + 1);
}

}  // namespace ember
