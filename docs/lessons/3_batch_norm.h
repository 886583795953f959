#pragma once

namespace ember {

/// First part of lesson 3: BatchNorm by hand, forward and backward, held against central
/// differences and against Ember's. Throws when they differ.
void show_batch_norm();

}  // namespace ember
