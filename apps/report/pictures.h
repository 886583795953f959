#pragma once

#include <string>
#include <vector>

#include "apps/study_data.h"
#include "apps/test_result.h"
#include "data/loader.h"

/// The photos that report.html shows.
namespace ember {

/// The first images that a loader serves, as the network sees them, in rows of eight.
ByteTensor sample_sheet(const Dataset& dataset, const std::vector<int64_t>& rows,
                        const LoaderOptions& options);

/// A wrong prediction.
struct Mistake {
  size_t place;      ///< in the test result
  ByteTensor input;  ///< what the network was shown, before it was scaled
  ByteTensor
      photo;  ///< where that is from, with a frame around the face; empty if it cannot be read
};

/// For each true class the mistakes of the highest confidence, at most `most` and each photo once.
std::vector<std::vector<Mistake>> worst_mistakes(const StudyData& data, const TestResult& result,
                                                 size_t most);

/// An image as a `data:` URL, JPEG.
std::string data_url(const ByteTensor& image);

}  // namespace ember
