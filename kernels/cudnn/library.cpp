#include "kernels/cudnn/library.h"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <variant>
#include <vector>

#include "kernels/cudnn/api.h"
#include "tensor/error.h"

namespace ember::cudnn {
namespace {

constexpr const char* kName = "libcudnn.so.9";
static_assert(CUDNN_MAJOR == 9, "kName says which major version is looked for");
constexpr size_t kOldest = 90800;  ///< before 9.8, an operation graph wanted a handle

template <typename Function>
void resolve(void* library, const std::string& path, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) fail(ExitCode::unavailable, "cuDNN: {} has no {}", path, name);
}

Api resolve_all(void* library, const std::string& path) {
  Api api{};
  const auto get = [&](const char* name, auto& function) {
    resolve(library, path, name, function);
  };
  get("cudnnGetVersion", api.get_version);
  get("cudnnGetErrorString", api.get_error_string);
  get("cudnnGetLastErrorString", api.get_last_error_string);
  get("cudnnCreate", api.create);
  get("cudnnDestroy", api.destroy);
  get("cudnnSetStream", api.set_stream);
  get("cudnnBackendCreateDescriptor", api.create_descriptor);
  get("cudnnBackendDestroyDescriptor", api.destroy_descriptor);
  get("cudnnBackendSetAttribute", api.set_attribute);
  get("cudnnBackendGetAttribute", api.get_attribute);
  get("cudnnBackendFinalize", api.finalize);
  get("cudnnBackendExecute", api.execute);
  return api;
}

std::vector<std::string> files_to_try() {
  if (const char* wish = std::getenv("EMBER_CUDNN"); wish != nullptr && *wish != '\0') {
    const std::filesystem::path path = wish;
    return {std::filesystem::is_directory(path) ? path / kName : path};
  }
  return {kName, EMBER_CUDNN_LIBRARY};
}

const LoadedLibrary& loaded() {
  static const auto result = []() -> std::variant<LoadedLibrary, Error> {
    try {
      return load_library(files_to_try());
    } catch (const Error& error) {
      return error;
    }
  }();
  if (const auto* error = std::get_if<Error>(&result)) throw *error;
  return std::get<LoadedLibrary>(result);
}

}  // namespace

LoadedLibrary load_library(std::span<const std::string> files) {
  std::string reasons;
  void* library = nullptr;
  for (const std::string& file : files) {
    if (file.empty()) continue;
    library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", dlerror());
  }
  if (library == nullptr) {
    fail(ExitCode::unavailable,
         "cuDNN is not installed ({}); install cuDNN {} or let EMBER_CUDNN name its folder",
         reasons, CUDNN_MAJOR);
  }

  auto* get_version =
      reinterpret_cast<decltype(&cudnnGetVersion)>(dlsym(library, "cudnnGetVersion"));
  Dl_info file{};
  std::string path = "the library";
  if (get_version != nullptr && dladdr(reinterpret_cast<void*>(get_version), &file) != 0) {
    path = file.dli_fname;
  }
  const Api api = resolve_all(library, path);
  const size_t number = api.get_version();
  const std::string version =
      fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
  if (number / 10000 != CUDNN_MAJOR || number < kOldest) {
    fail(ExitCode::unavailable, "cuDNN: {} is version {}, this build needs {}.x from {}.{} on",
         path, version, CUDNN_MAJOR, kOldest / 10000, kOldest / 100 % 100);
  }
  // The library is a front: the first descriptor loads the part that knows graphs.
  cudnnBackendDescriptor_t probe = nullptr;
  check(api.create_descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, &probe), api, path);
  api.destroy_descriptor(probe);
  return {{path, version}, api};
}

const Library& library() { return loaded().library; }
const Api& api() { return loaded().api; }

void check(cudnnStatus_t status, const Api& functions, const std::string& what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 1024> reason{};
  functions.get_last_error_string(reason.data(), reason.size());
  fail(ExitCode::unavailable, "cuDNN: {}: {} ({})", what, functions.get_error_string(status),
       reason.data());
}

void check(cudnnStatus_t status, const std::string& what) { check(status, api(), what); }

}  // namespace ember::cudnn
