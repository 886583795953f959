#include "kernels/adam.h"

#include <doctest/doctest.h>

#include "tests/kernels/testing.h"

namespace ember {
namespace {

const Shape kShapes[] = {{1}, {3, 7}, {5, 3, 3, 20}, {17}, {50001}, {0}};

/// Parameters of several sizes, some of them of several blocks.
std::vector<AdamSlot> random_slots() {
  std::vector<AdamSlot> slots;
  for (uint64_t i = 0; const Shape& shape : kShapes) {
    slots.push_back(
        {random_uniform(shape, -1, 1, ++i), poisoned(shape), filled(shape, 0), filled(shape, 0)});
  }
  return slots;
}

void set_gradients(std::vector<AdamSlot>& slots, int64_t step) {
  for (uint64_t i = 0; AdamSlot & slot : slots) {
    const auto seed = static_cast<uint64_t>(step) * 100 + ++i;
    slot.gradient.copy_from(random_uniform(slot.value.shape(), -0.02f, 0.03f, seed));
  }
}

/// The published formulas in double, with the bias corrections written out: mhat = m / (1 - b1^t),
/// vhat = v / (1 - b2^t). Keras's epsilon is smaller than the paper's by sqrt(1 - b2^t).
struct Reference {
  std::vector<double> value, m, v;

  explicit Reference(const Tensor& w) : value(to_double(w)), m(value.size()), v(value.size()) {}

  void step(const Tensor& gradient, const AdamOptions& options, int t) {
    const auto gradients = to_double(gradient);
    for (size_t i = 0; i < value.size(); ++i) {
      const double g = gradients[i];
      m[i] = options.beta1 * m[i] + (1 - options.beta1) * g;
      v[i] = options.beta2 * v[i] + (1 - options.beta2) * g * g;
      const double m_hat = m[i] / (1 - std::pow(options.beta1, t));
      const double v_hat = v[i] / (1 - std::pow(options.beta2, t));
      const double epsilon = options.form == AdamEpsilon::pytorch
                                 ? options.epsilon
                                 : options.epsilon / std::sqrt(1 - std::pow(options.beta2, t));
      value[i] -= options.learning_rate * m_hat / (std::sqrt(v_hat) + epsilon);
    }
  }
};

}  // namespace

TEST_CASE("adam follows the double-precision formulas for 20 steps, in both forms of epsilon") {
  for_each_device([] {
    for (AdamEpsilon form : {AdamEpsilon::keras, AdamEpsilon::pytorch}) {
      // An epsilon as large as the gradients, so that the forms part.
      AdamOptions options;
      options.epsilon = 1e-3;
      options.form = form;
      std::vector<AdamSlot> slots = random_slots();
      std::vector<Reference> references;
      references.reserve(slots.size());
      for (const AdamSlot& slot : slots) references.emplace_back(slot.value);
      for (int t = 1; t <= 20; ++t) {
        set_gradients(slots, t);
        adam(slots, options, t);
        for (size_t i = 0; i < slots.size(); ++i) {
          references[i].step(slots[i].gradient, options, t);
        }
      }
      for (size_t i = 0; i < slots.size(); ++i) {
        CAPTURE(i);
        CHECK(relative_l2(slots[i].value, references[i].value) < 3e-7);
        CHECK(relative_l2(slots[i].m, references[i].m) < 1e-6);
        CHECK(relative_l2(slots[i].v, references[i].v) < 1e-6);
      }
    }
  });
}

TEST_CASE("the first step moves a parameter by the learning rate against its gradient's sign") {
  for_each_device([] {
    std::vector<AdamSlot> slots = random_slots();
    set_gradients(slots, 1);
    const auto before = to_double(slots[1].value);
    const auto gradient = to_double(slots[1].gradient);
    AdamOptions options;
    options.epsilon = 0;
    options.learning_rate = 0.25;
    adam(slots, options, 1);
    const auto after = to_double(slots[1].value);
    for (size_t i = 0; i < before.size(); ++i) {
      const double step = gradient[i] > 0 ? -0.25 : 0.25;
      CHECK(after[i] - before[i] == doctest::Approx(step).epsilon(1e-5));
    }
  });
}

TEST_CASE("adam gives equal bytes in any order of threads") {
  for_each_device([] {
    require_equal_in_any_order([] {
      std::vector<AdamSlot> slots = random_slots();
      set_gradients(slots, 1);
      adam(slots, {}, 1);
      return std::vector{slots[4].value, slots[4].m, slots[4].v};
    });
  });
}

TEST_CASE("adam names the slot that does not fit") {
  std::vector<AdamSlot> slots = random_slots();
  slots[2].m = Tensor::zeros({2});
  CHECK_THROWS_WITH_AS(adam(slots, {}, 1),
                       doctest::Contains("adam: slot 2 has value (5, 3, 3, 20), gradient (5, 3, 3, "
                                         "20), m (2), v (5, 3, 3, 20)"),
                       Error);
  slots = random_slots();
  CHECK_THROWS_WITH_AS(adam(slots, {}, 0), doctest::Contains("adam: step 0"), Error);
}

}  // namespace ember
