#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "tensor/temporary_folder.h"

namespace ember {

/// What `body` writes to stderr.
template <typename Body>
std::string errors_of(const Body& body) {
  const TemporaryFolder folder;
  const std::string path = folder / "stderr";
  std::fflush(stderr);
  const int before = dup(STDERR_FILENO);
  const int file = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  dup2(file, STDERR_FILENO);
  body();
  std::fflush(stderr);
  dup2(before, STDERR_FILENO);
  close(file);
  close(before);
  std::ifstream text(path);
  return {std::istreambuf_iterator(text), {}};
}

}  // namespace ember
