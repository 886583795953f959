#pragma once

#include "apps/test_result.h"
#include "data/split.h"

/// What a network has to beat.
namespace ember {

/// Always the class that most training rows have, with the training rows' shares of the classes as
/// probabilities.
TestResult majority_floor(const Dataset& dataset, const Split& split);

/// The data set with its images shrunk to 24 pixels a side.
Dataset thumbnails_of(const Dataset& dataset);

/// A linear model of thumbnails: one Dense layer on the pixels, trained by Adam for 30 epochs on
/// the training rows as they are.
TestResult thumbnail_floor(const Dataset& thumbnails, const Split& split, uint64_t seed);

}  // namespace ember
