#include "tensor/temporary_folder.h"

#include <cstdlib>
#include <string>
#include <system_error>

#include "tensor/error.h"

namespace ember {

TemporaryFolder::TemporaryFolder() {
  std::error_code error;
  std::string name = (std::filesystem::temp_directory_path(error) / "ember-XXXXXX").string();
  if (error || mkdtemp(name.data()) == nullptr) {
    fail(ExitCode::cannot_create, "{}: cannot make a temporary folder; set TMPDIR", name);
  }
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace ember
