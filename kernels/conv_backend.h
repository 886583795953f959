#pragma once

#include <string_view>

namespace ember {

/// Whose kernels compute convolutions on a GPU.
enum class ConvBackend {
  own,    ///< Ember's: they apply what is pending as they load and gather moments as they store
  cudnn,  ///< cuDNN's, with passes of Ember's around them for the same
};

std::string_view to_string(ConvBackend backend);

/// The choice holds for all convolutions that begin after it; `own` at first. A convolution that
/// cuDNN cannot do still runs on Ember's kernel, and a line on stderr says so, once for each.
/// Throws Error(unavailable) for `cudnn` where cuDNN cannot be loaded.
void set_conv_backend(ConvBackend backend);
ConvBackend conv_backend();

}  // namespace ember
