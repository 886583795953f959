#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cudnn/convolution.h"
#include "kernels/cudnn/descriptor.h"

namespace ember::cudnn {

/// What plans are made for: a card, through its handle, or a description of one. So every
/// convolution can be planned for cards that are not there.
class Target {
 public:
  static Target card(cudnnHandle_t handle);
  /// `json` is the text cuDNN itself writes for a device; see tests/cudnn/devices/.
  static Target described(const std::string& json);

 private:
  friend class Planner;
  cudnnHandle_t handle_ = nullptr;
  std::optional<Descriptor> properties_;
};

/// How one of cuDNN's engines computes.
using Notes = std::vector<cudnnBackendNumericalNote_t>;

/// Whether a float32 result computed so is what the caller allows. Tensor cores mean TF32 here;
/// engines that round to half precision are never acceptable.
bool acceptable(const Notes& notes, const Allowed& allowed);

struct Plan {
  Descriptor descriptor;
  int64_t workspace_bytes = 0;
  Notes notes;
};

/// What cuDNN has for one convolution.
struct Planned {
  std::optional<Plan> plan;
  std::string refusal;  ///< where there is none, why: "cuDNN: no engine supports it"
};

/// Chooses plans for one device and keeps them: the first that cuDNN's heuristics (mode A, then its
/// fallback list) offers that computes as allowed and needs no more workspace than the limit.
/// Nothing is timed, so the same convolution gets the same plan in each run.
class Planner {
 public:
  static constexpr int64_t kWorkspaceLimit = int64_t{256} << 20;

  explicit Planner(Target target, int64_t workspace_limit = kWorkspaceLimit)
      : target_(std::move(target)), workspace_limit_(workspace_limit) {}

  /// Planned at the first call, remembered after it, be it a plan or a refusal.
  const Planned& find(const Convolution& convolution);

  /// Convolutions that find() has planned so far.
  int64_t planned() const { return static_cast<int64_t>(cache_.size()); }

 private:
  Planned plan(const Convolution& convolution) const;
  std::vector<Descriptor> offers(const Descriptor& graph, cudnnBackendHeurMode_t mode) const;
  Plan finish(const Descriptor& engine_configuration, Notes notes) const;

  Target target_;
  int64_t workspace_limit_;
  std::map<Convolution, Planned> cache_;
};

}  // namespace ember::cudnn
