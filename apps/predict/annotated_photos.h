#pragma once

#include <filesystem>
#include <vector>

#include "apps/predict/prediction.h"
#include "data/classes.h"

namespace ember {

/// A folder of copies of photos on which predictions are drawn: a frame and a label in the colour
/// of the class around each face, or around the photo.
class AnnotatedPhotos {
 public:
  /// Throws Error(cannot_create) when the folder cannot be made, or holds something already: so no
  /// photo is ever overwritten.
  AnnotatedPhotos(std::filesystem::path folder, Classes classes);

  /// The folder goes again where nothing was written.
  ~AnnotatedPhotos();
  AnnotatedPhotos(const AnnotatedPhotos&) = delete;
  AnnotatedPhotos& operator=(const AnnotatedPhotos&) = delete;

  /// Writes a copy of each photo that could be read, in parallel, under the photo's own path below
  /// the folder. Errors as of read_image and AtomicFile.
  void write(const std::vector<Photo>& photos) const;

 private:
  void write(const std::filesystem::path& path, const Photo& photo) const;

  std::filesystem::path folder_;
  Classes classes_;
};

}  // namespace ember
