#include "apps/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <utility>

#include "apps/floors.h"
#include "apps/loader_source.h"
#include "apps/plots.h"
#include "apps/report/page.h"
#include "tensor/error.h"

namespace ember {
namespace {

using Json = nlohmann::ordered_json;

// A file name or label that is no UTF-8 must not end a run.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// Of the rows and images that a run learns from and is tested on, and of the weights that it
/// begins with.
uint32_t checksum_of(const StudyData& data, const Weights& initial) {
  const Dataset& dataset = data.dataset();
  uint32_t sum = checksum(std::as_bytes(dataset.photos.pixels.values()));
  sum = checksum(std::as_bytes(std::span(dataset.labels)), sum);
  sum = checksum(std::as_bytes(std::span(dataset.photos.photo_of)), sum);
  sum = checksum(std::as_bytes(std::span(data.split_json)), sum);
  for (const auto& [name, tensor] : initial) {
    sum = checksum(std::as_bytes(tensor.values()), sum);
  }
  return sum;
}

/// The classes' shares of a batch: their shares of `rows`, evened out by a power.
std::vector<double> class_shares(const Dataset& dataset, const std::vector<int64_t>& rows,
                                 double power) {
  std::vector<double> shares(dataset.classes.size());
  for (const int64_t row : rows) {
    ++shares[static_cast<size_t>(dataset.labels[static_cast<size_t>(row)])];
  }
  double sum = 0;
  for (double& share : shares) sum += share = share == 0 ? 0 : std::pow(share, power);
  for (double& share : shares) share /= sum;
  return shares;
}

/// A tenth of a stage, at most this many steps, in which the learning rate rises.
constexpr int64_t kMostWarmup = 100;

Json accuracies_json(const ConfusionMatrix& confusion) {
  return {{"accuracy", accuracy(confusion)}, {"balanced_accuracy", balanced_accuracy(confusion)}};
}

RunFolder folder_for(const TrainingOptions& options, const std::string& app) {
  return options.resume.empty() ? RunFolder(options.output_dir, app)
                                : RunFolder::reopen(options.resume);
}

}  // namespace

/// Keeps what the run has come to after each epoch, and where it is interrupted: the weights, with
/// early stopping of the best epoch only, and a checkpoint.
class Study::Keeper : public Callback {
 public:
  Keeper(Study& study, int epochs, const Adam& adam, const EarlyStopping* early_stopping)
      : study_(study), epochs_(epochs), adam_(adam), early_stopping_(early_stopping) {}

  bool on_epoch_end(Model& model, const EpochResult& result) override {
    if (early_stopping_ == nullptr || early_stopping_->best_epoch() == result.epoch) {
      save_model(study_.folder_.file(study_.prefix() + "best.safetensors"), model,
                 study_.description_);
    }
    const bool stops = early_stopping_ != nullptr && early_stopping_->stops();
    save(model, {.epoch = (stops ? epochs_ : result.epoch) + 1, .totals = {}});
    return true;
  }

  void on_interrupt(Model& model, const FitPosition& position) override {
    RunState& state = study_.state_;
    if (state.folds.size() == 1 && state.stage == 1 && position.epoch == 1 && position.step == 0) {
      return;  // there is nothing to keep yet
    }
    save(model, position);
    study_.folder_.keep();
    fmt::print(stderr, "\ninterrupted; `{} --resume {}` goes on\n", study_.app_,
               study_.folder_.path().string());
  }

 private:
  void save(const Model& model, const FitPosition& position) {
    RunState state = study_.state_;
    state.seconds = study_.seconds();
    state.position = position;
    state.weights = weights_of(model);
    state.adam_steps = adam_.steps();
    state.averages = adam_.averages();
    if (early_stopping_ != nullptr) state.early_stopping = early_stopping_->state();
    study_.checkpoints_.save(to_checkpoint(state));
  }

  Study& study_;
  int epochs_;
  const Adam& adam_;
  const EarlyStopping* early_stopping_;
};

Study::Study(const std::string& app, const TrainingOptions& options, const StudyData& data,
             ModelDescription description, const Weights& initial)
    : options_(options),
      data_(data),
      protocol_(parse_protocol(options.protocol)),
      rules_(rules_of(protocol_)),
      description_(std::move(description)),
      app_(app),
      folder_(folder_for(options, app)),
      progress_(progress_style(options.progress), std::cout),
      checkpoints_(folder_.path()) {
  description_.scale = options.scale;
  description_.margin.reset();
  if (protocol_ == Protocol::faces) description_.margin = options.margin;
  state_.data_checksum = checksum_of(data, initial);
  args_ = {{"app", app}, {"version", EMBER_VERSION}};
  args_.update(to_json(options));
  args_["classes"] = data.dataset().classes;
  args_["output_dir"] = folder_.path().string();
  if (!options.resume.empty()) {
    read_checkpoint();
    return;
  }
  if (!data.split_json.empty()) folder_.write("split.json", data.split_json);
  folder_.write("args.json", dump(args_));  // from now on the run can be resumed
}

void Study::read_checkpoint() {
  const std::string folder = folder_.path().string();
  if (const auto checkpoint = checkpoints_.newest()) {
    resumed_ = to_run_state(*checkpoint);
    if (resumed_->data_checksum != state_.data_checksum) {
      fail(ExitCode::data,
           "--resume {}: its photos or first weights are not what they were; start a new run",
           folder);
    }
    return;
  }
  if (std::filesystem::exists(folder_.file("report.json"))) {
    fail(ExitCode::usage, "--resume {}: this run is complete", folder);
  }
  fmt::print("{} has no checkpoint yet; starting from the beginning.\n", folder);
}

double Study::seconds() const {
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin_;
  return seconds_before_ + taken.count();
}

bool Study::begin_fold() {
  const size_t fold = state_.folds.size();
  if (fold == data_.folds.size()) return false;
  state_.stage = 0;
  state_.folds.emplace_back();
  if (resumed_ && fold < resumed_->folds.size()) state_.folds.back() = resumed_->folds[fold];
  if (data_.folds.size() > 1) {
    fmt::print("\nFold {} of {}: {} rows to train, {} to test\n", fold + 1, data_.folds.size(),
               split().train.size(), split().test.size());
    folder_.make_folder(prefix());
  }
  return true;
}

void Study::print_summary(const Model& model) const {
  if (state_.folds.size() > 1) return;
  fmt::print("\n{}", format_summary(model.name(), model.summary()));
}

std::string Study::prefix() const {
  return data_.folds.size() == 1 ? "" : fmt::format("fold-{}/", state_.folds.size());
}

std::string Study::title(const std::string& what) const {
  return data_.folds.size() == 1 ? fmt::format("{}: {}", app_, what)
                                 : fmt::format("{}, fold {}: {}", app_, state_.folds.size(), what);
}

LoaderOptions Study::loader_options(bool training, Device device) const {
  LoaderOptions loader{.batch_size = options_.batch_size,
                       .shuffle = training,
                       .augmentation = std::nullopt,
                       .scale = parse_scale(options_.scale),
                       .seed = static_cast<uint64_t>(options_.seed),
                       .device = device};
  if (training) {
    loader.augmentation = rules_.augmentation;
    if (rules_.balance) {
      loader.class_shares = class_shares(data_.dataset(), split().train, *rules_.balance);
    }
  }
  return loader;
}

void Study::fit(Model& model, const std::string& stage, int epochs, double learning_rate) {
  ++state_.stage;
  if (resumed_ &&
      (state_.folds.size() < resumed_->folds.size() || state_.stage < resumed_->stage)) {
    return;  // done before
  }
  fmt::print("\n{}: {} of {} parameters train\n", stage, model.trainable_count(),
             model.parameter_count());
  std::fflush(stdout);
  const Dataset& dataset = data_.dataset();
  LoaderSource training(dataset, split().train, loader_options(true, model.device()));
  LoaderOptions validation_options = loader_options(false, model.device());
  if (rules_.augments_validation) validation_options.augmentation = rules_.augmentation;
  std::optional<LoaderSource> validation;
  if (!split().validation.empty()) {
    validation.emplace(dataset, split().validation, validation_options);
  }
  Adam adam(model, {.learning_rate = learning_rate});
  EarlyStopping early_stopping(options_.patience);
  const FitPosition from = resumed_ ? take_up(model, adam, early_stopping) : FitPosition{};

  const bool stops_early = options_.patience > 0 && validation.has_value();
  CsvLog log(folder_, prefix() + "results.csv", history());
  Keeper keeper(*this, epochs, adam, stops_early ? &early_stopping : nullptr);
  std::vector<Callback*> callbacks{&progress_, &log};
  if (stops_early) callbacks.push_back(&early_stopping);
  callbacks.push_back(&keeper);

  const int64_t steps = epochs * training.batch_count();
  const auto epochs_before = static_cast<uint64_t>(std::count_if(
      history().begin(), history().end(), [&](const auto& e) { return e.stage != stage; }));
  FitOptions fit_options{
      .stage = stage,
      .epochs = epochs,
      .seed = static_cast<uint64_t>(options_.seed),
      .first_step = epochs_before * static_cast<uint64_t>(training.batch_count()),
      .first_epoch = epochs_before,
      .from = from};
  if (rules_.has_schedule) {
    fit_options.schedule = warmup_cosine(learning_rate, std::min(steps / 10, kMostWarmup), steps);
  }
  ember::fit(model, adam, training, validation ? &*validation : nullptr, fit_options, callbacks);
  if (stops_early && options_.progress != "none") {
    fmt::print("The weights are those of epoch {}, the best in validation.\n",
               early_stopping.best_epoch());
    std::fflush(stdout);
  }
}

FitPosition Study::take_up(Model& model, Adam& adam, EarlyStopping& early_stopping) {
  load_weights(model, {.path = folder_.path(), .description = {}, .tensors = resumed_->weights});
  adam.restore(resumed_->adam_steps, resumed_->averages);
  early_stopping.restore(resumed_->early_stopping, model.device());
  seconds_before_ = resumed_->seconds;
  const FitPosition position = resumed_->position;
  resumed_.reset();
  fmt::print("Going on after step {} of epoch {}.\n", position.step, position.epoch);
  std::fflush(stdout);
  return position;
}

void Study::test(Model& model) {
  layers_ = model.summary();
  RunState::Fold& fold = state_.folds.back();
  if (fold.probabilities.empty()) {
    LoaderSource source(data_.dataset(), split().test, loader_options(false, model.device()));
    const Evaluation evaluation = evaluate(model, source);
    if (!std::isfinite(evaluation.loss)) fail_on_loss("in the test");
    fold.probabilities = evaluation.probabilities;
    fold.test_loss = evaluation.loss;
  }
  folder_.write(prefix() + "curves.svg", curves_svg(title("training"), history()));
  if (data_.folds.size() > 1) {
    fmt::print("Fold {}: {}\n", state_.folds.size(),
               accuracies_text(test_of(state_.folds.size() - 1).confusion()));
    std::fflush(stdout);
  }
}

TestResult Study::test_of(size_t fold) const {
  const auto& [history, loss, probabilities] = state_.folds[fold];
  TestResult result;
  result.rows = data_.folds[fold].test;
  for (const int64_t row : result.rows) {
    result.labels.push_back(data_.dataset().labels[static_cast<size_t>(row)]);
  }
  result.probabilities.assign(probabilities.values().begin(), probabilities.values().end());
  result.loss = loss;
  return result;
}

void Study::finish() {
  const Dataset& dataset = data_.dataset();
  TestResult result;
  for (size_t fold = 0; fold < state_.folds.size(); ++fold) result.append(test_of(fold));
  const ConfusionMatrix confusion = result.confusion();
  const std::string report = classification_report(confusion, dataset.classes);
  fmt::print("\nTest: accuracy {:.4f}, loss {:.4f}\n\n{}\n{}", accuracy(confusion), result.loss,
             report, confusion_text(confusion, dataset.classes));

  int64_t parameters = 0;
  int64_t trainable = 0;
  for (const LayerRow& layer : layers_) {
    parameters += layer.params;
    trainable += layer.trainable_params;
  }
  Json json = {{"test", metrics_json(result, dataset)},
               {"classes", dataset.classes},
               {"parameters", {{"total", parameters}, {"trainable", trainable}}}};
  json.update(splits_json());
  ReportPage page{
      .app = app_,
      .args = args_,
      .data = data_,
      .result = result,
      .accuracies = {},
      .balanced_accuracies = {},
      .folds = {},
      .layers = layers_,
      .samples = sample_sheet(dataset, split().train, loader_options(true, Device::cpu)),
      .mistakes = worst_mistakes(data_, result, 6)};
  const auto add_estimates = [&](const std::string& name, const ConfusionMatrix& counts) {
    page.accuracies.push_back({name, accuracy(counts), accuracy_interval(counts)});
    page.balanced_accuracies.push_back(
        {name, balanced_accuracy(counts), balanced_accuracy_interval(counts)});
  };
  add_estimates(description_.architecture, confusion);
  if (protocol_ == Protocol::faces) {
    TestResult majority;
    TestResult linear;
    const Dataset thumbnails = thumbnails_of(dataset);
    for (const Split& fold : data_.folds) {
      majority.append(majority_floor(dataset, fold));
      linear.append(thumbnail_floor(thumbnails, fold, static_cast<uint64_t>(options_.seed)));
    }
    json["floors"] = {{"majority", accuracies_json(majority.confusion())},
                      {"thumbnails", accuracies_json(linear.confusion())}};
    print_faces_report(result, majority, linear);
    add_estimates("linear, 24 pixels", linear.confusion());
    add_estimates("most frequent class", majority.confusion());
  }
  for (const RunState::Fold& fold : state_.folds) page.folds.push_back(fold.history);

  folder_.write("predictions.csv", predictions_csv(dataset, result));
  folder_.write("report.txt", report);
  folder_.write("confusion_matrix.svg",
                confusion_matrix_svg(app_ + ": confusion matrix", confusion, dataset.classes));
  json["seconds"] = page.seconds = seconds();
  folder_.write("report.html", report_html(page));
  folder_.write("report.json", dump(json));
  checkpoints_.remove();
  fmt::print("\nResults: {}\n", folder_.path().string());
}

Json Study::splits_json() const {
  const auto sizes = [](const Split& split) {
    return Json{{"train", split.train.size()},
                {"validation", split.validation.size()},
                {"test", split.test.size()}};
  };
  if (data_.folds.size() == 1) return {{"split", sizes(data_.folds.front())}};
  Json folds = Json::array();
  for (size_t fold = 0; fold < state_.folds.size(); ++fold) {
    folds.push_back(sizes(data_.folds[fold]));
    folds.back().update(accuracies_json(test_of(fold).confusion()));
  }
  return {{"folds", folds}};
}

void Study::print_faces_report(const TestResult& result, const TestResult& majority,
                               const TestResult& linear) const {
  fmt::print("\nWith 95 % intervals: {}\n", accuracies_text(result.confusion()));
  fmt::print("A linear model of 24-pixel thumbnails: {}\n", accuracies_text(linear.confusion()));
  fmt::print("Always the most frequent class: {}\n", accuracies_text(majority.confusion()));
  const std::vector<SizeResult> sizes = by_face_size(result, data_.dataset());
  if (sizes.empty()) return;  // whole photos
  fmt::print("\nFace size, pixels     faces  accuracy  balanced\n");
  for (const SizeResult& size : sizes) {
    fmt::print("{:<18}{:>9}{:>10.4f}{:>10.4f}\n", size.range(), size.confusion.total(),
               accuracy(size.confusion), balanced_accuracy(size.confusion));
  }
}

}  // namespace ember
