// Lesson 2: backward by hand, with its gradient check. 2_backward.md tells the story.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "apps/program.h"
#include "docs/lessons/2_regions.h"
#include "kernels/softmax_cross_entropy.h"
#include "nn/dense.h"
#include "nn/flatten.h"
#include "nn/model.h"
#include "tensor/atomic_file.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

namespace ember {
namespace {

/// Rows of numbers in double precision: what float32 rounds away would drown a gradient check.
struct Matrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<double> values;

  Matrix() = default;
  Matrix(int64_t row_count, int64_t column_count)
      : rows(row_count),
        columns(column_count),
        values(static_cast<size_t>(row_count * column_count)) {}
  double& operator()(int64_t i, int64_t j) { return values[static_cast<size_t>(i * columns + j)]; }
  double operator()(int64_t i, int64_t j) const {
    return values[static_cast<size_t>(i * columns + j)];
  }
};

// ---- The layers: each forward beside its backward ----

/// y = x * weight^T + bias, for x (N, I), weight (O, I), bias (1, O).
Matrix dense_forward(const Matrix& x, const Matrix& weight, const Matrix& bias) {
  Matrix y(x.rows, weight.rows);
  for (int64_t n = 0; n < y.rows; ++n) {
    for (int64_t o = 0; o < y.columns; ++o) {
      y(n, o) = bias(0, o);
      for (int64_t i = 0; i < x.columns; ++i) y(n, o) += x(n, i) * weight(o, i);
    }
  }
  return y;
}

/// From dy = dL/dy: dweight = dy^T * x, dbias = sums of dy's columns; returns dx = dy * weight.
Matrix dense_backward(const Matrix& x, const Matrix& weight, const Matrix& dy, Matrix& dweight,
                      Matrix& dbias) {
  Matrix dx(x.rows, x.columns);
  dweight = Matrix(weight.rows, weight.columns);
  dbias = Matrix(1, weight.rows);
  for (int64_t n = 0; n < dy.rows; ++n) {
    for (int64_t o = 0; o < dy.columns; ++o) {
      dbias(0, o) += dy(n, o);
      for (int64_t i = 0; i < x.columns; ++i) {
        dweight(o, i) += dy(n, o) * x(n, i);
        dx(n, i) += dy(n, o) * weight(o, i);
      }
    }
  }
  return dx;
}

/// z = max(u, 0)
Matrix relu_forward(Matrix u) {
  for (double& value : u.values) value = std::max(value, 0.0);
  return u;
}

/// du = dz where u > 0, else 0
Matrix relu_backward(const Matrix& u, Matrix dz) {
  for (size_t i = 0; i < u.values.size(); ++i) {
    if (u.values[i] <= 0) dz.values[i] = 0;
  }
  return dz;
}

/// Each row's logits as probabilities: p[k] = exp(logits[k]) / sum of exp(logits).
Matrix softmax_forward(Matrix logits) {
  for (int64_t n = 0; n < logits.rows; ++n) {
    double* row = &logits(n, 0);
    const double max = *std::max_element(row, row + logits.columns);  // exp must not overflow
    double sum = 0;
    for (int64_t k = 0; k < logits.columns; ++k) sum += row[k] = std::exp(row[k] - max);
    for (int64_t k = 0; k < logits.columns; ++k) row[k] /= sum;
  }
  return logits;
}

/// The mean over the rows of -log(probability of the true class).
double cross_entropy(const Matrix& probabilities, const std::vector<int32_t>& labels) {
  double sum = 0;
  for (int64_t n = 0; n < probabilities.rows; ++n)
    sum -= std::log(probabilities(n, labels[static_cast<size_t>(n)]));
  return sum / static_cast<double>(probabilities.rows);
}

/// Of both together: dlogits = (p - 1 at the true class, p elsewhere) / N.
Matrix softmax_cross_entropy_backward(Matrix probabilities, const std::vector<int32_t>& labels) {
  for (int64_t n = 0; n < probabilities.rows; ++n)
    probabilities(n, labels[static_cast<size_t>(n)]) -= 1;
  for (double& value : probabilities.values) value /= static_cast<double>(probabilities.rows);
  return probabilities;
}

// ---- The network ----

/// What is learned; the gradients of it have the same form.
struct Parameters {
  Matrix weight1, bias1, weight2, bias2;

  std::vector<Matrix*> all() { return {&weight1, &bias1, &weight2, &bias2}; }
};

/// Points and the class of each.
struct Data {
  Matrix points;
  std::vector<int32_t> labels;
};

/// What forward leaves for backward.
struct Pass {
  Matrix u, z, probabilities;
  double loss = 0;
};

Pass forward(const Parameters& p, const Data& data) {
  Pass pass;
  pass.u = dense_forward(data.points, p.weight1, p.bias1);
  pass.z = relu_forward(pass.u);
  pass.probabilities = softmax_forward(dense_forward(pass.z, p.weight2, p.bias2));
  pass.loss = cross_entropy(pass.probabilities, data.labels);
  return pass;
}

Parameters backward(const Parameters& p, const Data& data, const Pass& pass) {
  Parameters d;
  const Matrix dlogits = softmax_cross_entropy_backward(pass.probabilities, data.labels);
  const Matrix dz = dense_backward(pass.z, p.weight2, dlogits, d.weight2, d.bias2);
  const Matrix du = relu_backward(pass.u, dz);
  dense_backward(data.points, p.weight1, du, d.weight1, d.bias1);
  return d;
}

constexpr const char* kNames[] = {"weight1", "bias1", "weight2", "bias2"};
constexpr int64_t kClasses = 3;
constexpr int64_t kHidden = 64;

/// Three spiral arms of 100 points, one class each, with some noise.
Data draw_spirals(uint64_t seed) {
  constexpr int64_t kArm = 100;
  Data data{Matrix(kClasses * kArm, 2), {}};
  const Philox random(seed, Purpose::shuffle, 0);
  for (int64_t n = 0; n < data.points.rows; ++n) {
    const int64_t arm = n / kArm;
    const double radius = (0.5 + static_cast<double>(n % kArm)) / kArm;
    const double noise = random.uniform(static_cast<uint64_t>(n)) - 0.5;
    const double angle =
        2 * std::numbers::pi * static_cast<double>(arm) / kClasses + 4 * radius + 0.6 * noise;
    data.points(n, 0) = radius * std::sin(angle);
    data.points(n, 1) = radius * std::cos(angle);
    data.labels.push_back(static_cast<int32_t>(arm));
  }
  return data;
}

/// The same network of Ember's layers. A point is an image of one pixel and two channels.
Model make_model(uint64_t seed) {
  Model model("spirals", {1, 1, 2});
  model.add(Flatten("flatten"));
  model.add(Dense("dense", kHidden, Activation::relu));
  model.add(Dense("dense_1", kClasses));
  model.initialize(seed);
  return model;
}

/// A copy of the model's parameters, or of their gradients, in double.
Parameters copy_of(const Model& model, bool gradients) {
  Parameters copy;
  size_t k = 0;
  model.for_each_parameter([&](const Layer&, const Parameter& parameter) {
    const Tensor& from = gradients ? parameter.gradient : parameter.value;
    Matrix to(from.rank() == 2 ? from.dim(0) : 1, from.dim(-1));
    std::copy(from.values().begin(), from.values().end(), to.values.begin());
    *copy.all()[k++] = to;
  });
  return copy;
}

// ---- The gradient check ----

/// dL/dvalue by central difference: (L(value + h) - L(value - h)) / 2h. `value` is one of p's
/// numbers. NaN where a ReLU bends between the two points: there is no derivative to compare.
double central_difference(double& value, double h, const Parameters& p, const Data& data) {
  const double at = value;
  value = at + h;
  const Pass above = forward(p, data);
  value = at - h;
  const Pass below = forward(p, data);
  value = at;
  for (size_t i = 0; i < above.u.values.size(); ++i) {
    if ((above.u.values[i] > 0) != (below.u.values[i] > 0)) return NAN;
  }
  return (above.loss - below.loss) / (2 * h);
}

/// |a - b| / |b|, with the Euclidean norm.
double relative_error(const Matrix& a, const Matrix& b) {
  double difference = 0;
  double norm = 0;
  for (size_t i = 0; i < b.values.size(); ++i) {
    if (std::isnan(b.values[i])) continue;
    difference += std::pow(a.values[i] - b.values[i], 2);
    norm += b.values[i] * b.values[i];
  }
  return std::sqrt(difference / norm);
}

/// Compares every gradient with central differences, and Ember's with both.
void check_gradients(Parameters p, const Data& data, const Parameters& embers) {
  Parameters by_hand = backward(p, data, forward(p, data));
  Parameters ember = embers;
  bool by_hand_right = true;
  bool ember_right = true;
  fmt::print("Gradients at the start, against central differences with h = 1e-6\n\n");
  fmt::print("{:<9} {:>7} {:>7} {:>12} {:>12} {:>14} {:>15}\n", "", "numbers", "at kink",
             "one by hand", "difference", "error by hand", "error of Ember");
  for (size_t k = 0; k < 4; ++k) {
    Matrix& parameter = *p.all()[k];
    const Matrix& gradient = *by_hand.all()[k];
    Matrix differences = gradient;
    int64_t kinks = 0;
    for (size_t i = 0; i < parameter.values.size(); ++i) {
      differences.values[i] = central_difference(parameter.values[i], 1e-6, p, data);
      kinks += std::isnan(differences.values[i]);
    }
    const double error = relative_error(gradient, differences);
    const double ember_error = relative_error(*ember.all()[k], gradient);
    fmt::print("{:<9} {:>7} {:>7} {:>12.8f} {:>12.8f} {:>14.1e} {:>15.1e}\n", kNames[k],
               gradient.values.size(), kinks, gradient.values[0], differences.values[0], error,
               ember_error);
    by_hand_right &= error < 1e-7 && kinks * 20 <= static_cast<int64_t>(gradient.values.size());
    ember_right &= ember_error < 1e-5;
  }
  fmt::print("\nThe first number of weight2 with other steps\n\n{:<8} {:>14}\n", "h", "error");
  const double exact = by_hand.weight2.values[0];
  for (double h : {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12}) {
    const double difference = central_difference(p.weight2.values[0], h, p, data);
    fmt::print("{:<8.0e} {:>14.1e}\n", h, std::abs(difference - exact) / std::abs(exact));
  }
  EMBER_REQUIRE(by_hand_right, "a gradient by hand is wrong");
  EMBER_REQUIRE(ember_right, "a gradient of Ember's differs from the one by hand");
}

// ---- Gradient descent ----

/// Each parameter takes a step against its gradient.
void descend(Parameters& p, Parameters d, double rate) {
  for (size_t k = 0; k < 4; ++k) {
    for (size_t i = 0; i < p.all()[k]->values.size(); ++i)
      p.all()[k]->values[i] -= rate * d.all()[k]->values[i];
  }
}

/// The same network of Ember's layers, trained by the same rule in float32.
class EmberNetwork {
 public:
  EmberNetwork(uint64_t seed, const Data& data)
      : model_(make_model(seed)),
        images_({data.points.rows, 1, 1, 2}),
        labels_(LabelTensor::from({data.points.rows}, data.labels)),
        probabilities_({data.points.rows, kClasses}),
        losses_({data.points.rows}),
        dlogits_(probabilities_.shape()) {
    std::copy(data.points.values.begin(), data.points.values.end(), images_.data());
  }

  Model& model() { return model_; }
  const Tensor& points() const { return images_; }
  const LabelTensor& labels() const { return labels_; }

  /// The gradients of all parameters; returns the loss.
  double compute_gradients() {
    const Tensor logits = model_.forward(images_, {.training = true});
    softmax_cross_entropy_forward(logits, labels_, probabilities_, losses_);
    softmax_cross_entropy_backward(probabilities_, labels_, dlogits_);
    model_.backward(dlogits_);
    double sum = 0;
    for (float loss : losses_.values()) sum += loss;
    return sum / static_cast<double>(losses_.size());
  }

  void descend(float rate) {
    model_.for_each_parameter([&](Layer&, Parameter& parameter) {
      for (int64_t i = 0; i < parameter.value.size(); ++i)
        parameter.value.data()[i] -= rate * parameter.gradient.data()[i];
    });
  }

  /// Share of points whose most probable class is the true one.
  double accuracy() const {
    int64_t correct = 0;
    for (int64_t n = 0; n < labels_.size(); ++n) {
      const float* p = probabilities_.data() + n * kClasses;
      correct += std::max_element(p, p + kClasses) - p == labels_.data()[n];
    }
    return static_cast<double>(correct) / static_cast<double>(labels_.size());
  }

 private:
  Model model_;
  Tensor images_;
  LabelTensor labels_;
  Tensor probabilities_, losses_, dlogits_;
};

/// What the model says of each point of the picture.
Regions look(Model& model, const std::string& title) {
  Tensor probabilities({kRegionSide * kRegionSide, kClasses});
  softmax(model.forward(region_points(), {.training = false}), probabilities);
  return {title, probabilities};
}

struct Options {
  int64_t steps = 5000;
  double rate = 0.5;
  std::string picture = "spirals.svg";
};

void run_lesson(const Options& options) {
  set_thread_count(1);  // for 300 points, waking a second thread costs more than it saves
  const Data data = draw_spirals(1);
  EmberNetwork ember(1, data);
  Parameters by_hand = copy_of(ember.model(), false);
  ember.compute_gradients();
  check_gradients(by_hand, data, copy_of(ember.model(), true));

  fmt::print("\nGradient descent, {} steps at rate {}\n\n", options.steps, options.rate);
  fmt::print("{:>6} {:>13} {:>13} {:>10}\n", "step", "loss by hand", "loss of Ember", "accuracy");
  std::vector<Regions> pictures;
  constexpr int64_t kByHand = 100;
  double first = 0;
  double loss = 0;
  for (int64_t step = 0; step <= options.steps; ++step) {
    loss = ember.compute_gradients();
    if (step == 0) first = loss;
    const bool shown = step == 0 || step == 1 || step == 10 || step == kByHand ||
                       step == options.steps || step % 1000 == 0;
    std::string hand;
    if (step <= kByHand) {
      const Pass pass = forward(by_hand, data);
      descend(by_hand, backward(by_hand, data, pass), options.rate);
      hand = fmt::format("{:.6f}", pass.loss);
      EMBER_REQUIRE(std::abs(loss - pass.loss) < 1e-4, "step {}: the two losses differ", step);
    }
    if (shown) {
      fmt::print("{:>6} {:>13} {:>13.6f} {:>8.1f} %\n", step, hand, loss, 100 * ember.accuracy());
    }
    if (step == 0 || step == 300 || step == options.steps)
      pictures.push_back(look(ember.model(), fmt::format("after {} steps", step)));
    ember.descend(static_cast<float>(options.rate));
  }

  write_file(options.picture, regions_svg(pictures, ember.points(), ember.labels()));
  fmt::print("\nThe classes that the network sees: {}\n", options.picture);
  EMBER_REQUIRE(options.steps < 1000 || loss < first / 4, "the network has not learned");
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  ember::Options options;
  CLI::App app("Lesson 2: backward by hand, with its gradient check", "lesson_2_backward");
  app.add_option("--steps", options.steps, "Steps of gradient descent")->capture_default_str();
  app.add_option("--rate", options.rate, "How far a step goes along the gradient")
      ->capture_default_str();
  app.add_option("--picture", options.picture, "Where to draw what the network sees")
      ->capture_default_str();
  return ember::run_program(app, argc, argv, [&] { ember::run_lesson(options); });
}
