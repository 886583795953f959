#pragma once

#include <cudnn_graph.h>

#include <span>
#include <string>

#include "kernels/cudnn/library.h"

namespace ember::cudnn {

/// The functions of cuDNN that Ember calls: its backend API, in which an operation is a graph of
/// descriptors.
struct Api {
  decltype(&cudnnGetVersion) get_version;
  decltype(&cudnnGetErrorString) get_error_string;
  decltype(&cudnnGetLastErrorString) get_last_error_string;
  decltype(&cudnnCreate) create;
  decltype(&cudnnDestroy) destroy;
  decltype(&cudnnSetStream) set_stream;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&cudnnBackendSetAttribute) set_attribute;
  decltype(&cudnnBackendGetAttribute) get_attribute;
  decltype(&cudnnBackendFinalize) finalize;
  decltype(&cudnnBackendExecute) execute;
};

struct LoadedLibrary {
  Library library;
  Api api;
};

/// Opens the first of the files that can be opened, for good. Throws Error(unavailable) when none
/// can, or the one that was opened is not the cuDNN that this build can use.
LoadedLibrary load_library(std::span<const std::string> files);

/// The functions of `library()`; throws as it does.
const Api& api();

/// Throws Error(unavailable) saying what was done, the status and cuDNN's own reason.
void check(cudnnStatus_t status, const Api& functions, const std::string& what);
void check(cudnnStatus_t status, const std::string& what);

}  // namespace ember::cudnn
