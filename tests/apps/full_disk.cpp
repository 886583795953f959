// Loaded before a program (LD_PRELOAD), this lets the disk be full from the FULL_DISK_AT-th call on
// that takes room on it.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace {

bool is_full() {
  static std::atomic<int> calls = 0;
  static const char* const at = std::getenv("FULL_DISK_AT");
  if (at == nullptr || ++calls < std::atoi(at)) return false;
  errno = ENOSPC;
  return true;
}

template <typename Function>
Function* next(Function* /*type*/, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t count) {
  if (descriptor > STDERR_FILENO && is_full()) return -1;
  return next(&write, "write")(descriptor, bytes, count);
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  if ((flags & O_CREAT) != 0 && is_full()) return -1;
  return next(&open, "open")(path, flags, mode);
}

int mkdir(const char* path, mode_t mode) {
  if (is_full()) return -1;
  return next(&mkdir, "mkdir")(path, mode);
}

int fsync(int descriptor) {
  if (is_full()) return -1;
  return next(&fsync, "fsync")(descriptor);
}

int rename(const char* from, const char* to) noexcept {
  if (is_full()) return -1;
  return next(&rename, "rename")(from, to);
}

}  // extern "C"
