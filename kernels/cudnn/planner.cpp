#include "kernels/cudnn/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kernels/cudnn/graph.h"
#include "tensor/error.h"

#define ATTRIBUTE EMBER_CUDNN_ATTRIBUTE

namespace ember::cudnn {
namespace {

Notes notes_of(const Descriptor& configuration) {
  const auto engines =
      configuration.parts(ATTRIBUTE(ENGINECFG_ENGINE), CUDNN_BACKEND_ENGINE_DESCRIPTOR, "engine");
  return engines.front().list<cudnnBackendNumericalNote_t>(ATTRIBUTE(ENGINE_NUMERICAL_NOTE),
                                                           CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
}

}  // namespace

Target Target::card(cudnnHandle_t handle) {
  Target target;
  target.handle_ = handle;
  return target;
}

Target Target::described(const std::string& json) {
  Target target;
  target.properties_ = Descriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "device")
                           .set(ATTRIBUTE(DEVICEPROP_JSON_REPRESENTATION), json)
                           .finalize();
  return target;
}

bool acceptable(const Notes& notes, const Allowed& allowed) {
  const auto has = [&](cudnnBackendNumericalNote_t note) {
    return std::find(notes.begin(), notes.end(), note) != notes.end();
  };
  return !has(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) &&
         !has(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) &&
         (allowed.tf32 || !has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) &&
         (allowed.nondeterministic || !has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC));
}

const Planned& Planner::find(const Convolution& convolution) {
  auto found = cache_.find(convolution);
  if (found == cache_.end()) found = cache_.emplace(convolution, plan(convolution)).first;
  return found->second;
}

Planned Planner::plan(const Convolution& convolution) const {
  std::string refusal = "cuDNN: no engine supports it";
  // Engines, and whole heuristics, may fail where the next one does not.
  const auto attempt = [&](const auto& body) {
    try {
      body();
    } catch (const Error& error) {
      refusal = error.what();
    }
  };
  std::optional<Plan> chosen;
  const auto consider = [&](const Descriptor& configuration) {
    Notes notes = notes_of(configuration);
    if (!acceptable(notes, convolution.allowed)) {
      refusal = "cuDNN: no engine computes it in the precision and order that are allowed";
      return;
    }
    Plan plan = finish(configuration, std::move(notes));
    if (plan.workspace_bytes > workspace_limit_) {
      refusal = fmt::format("cuDNN: it needs {} bytes of workspace, the limit is {}",
                            plan.workspace_bytes, workspace_limit_);
      return;
    }
    chosen = std::move(plan);
  };
  attempt([&] {
    const Descriptor graph = operation_graph(convolution);
    for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
      attempt([&] {
        for (const Descriptor& configuration : offers(graph, mode)) {
          attempt([&] { consider(configuration); });
          if (chosen) return;
        }
      });
      if (chosen) return;
    }
  });
  return {std::move(chosen), refusal};
}

std::vector<Descriptor> Planner::offers(const Descriptor& graph,
                                        cudnnBackendHeurMode_t mode) const {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "heuristics");
  heuristics.set(ATTRIBUTE(ENGINEHEUR_OPERATION_GRAPH), graph)
      .set(ATTRIBUTE(ENGINEHEUR_MODE), mode);
  if (target_.properties_) heuristics.set(ATTRIBUTE(ENGINEHEUR_DEVICEPROP), *target_.properties_);
  heuristics.finalize();
  return heuristics.parts(ATTRIBUTE(ENGINEHEUR_RESULTS), CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                          "engine configuration");
}

Plan Planner::finish(const Descriptor& engine_configuration, Notes notes) const {
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "plan");
  if (target_.properties_) {
    plan.set(ATTRIBUTE(EXECUTION_PLAN_DEVICEPROP), *target_.properties_);
  } else {
    plan.set(ATTRIBUTE(EXECUTION_PLAN_HANDLE), target_.handle_);
  }
  plan.set(ATTRIBUTE(EXECUTION_PLAN_ENGINE_CONFIG), engine_configuration).finalize();
  const auto workspace = plan.get<int64_t>(ATTRIBUTE(EXECUTION_PLAN_WORKSPACE_SIZE));
  return {std::move(plan), workspace, std::move(notes)};
}

}  // namespace ember::cudnn
