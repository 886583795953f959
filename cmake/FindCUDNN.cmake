# Finds the headers of cuDNN 9 in a CUDA toolkit, a Debian-style layout, or under CUDNN_ROOT (a tarball, or the
# folder nvidia/cudnn of NVIDIA's Python wheel).
#
# Defines the target CUDNN::headers, CUDNN_VERSION, CUDNN_INCLUDE_DIR, and CUDNN_LIBRARY, the library beside the
# headers: where a program looks that finds none by name. Nothing links it, so it may be absent.
find_package(CUDAToolkit QUIET)
set(hints ${CUDNN_ROOT} $ENV{CUDNN_ROOT} ${CUDAToolkit_TARGET_DIR} ${CUDAToolkit_LIBRARY_ROOT})
find_path(CUDNN_INCLUDE_DIR cudnn_graph.h HINTS ${hints} PATH_SUFFIXES include)
find_library(CUDNN_LIBRARY libcudnn.so.9 HINTS ${CUDNN_INCLUDE_DIR}/.. ${hints} PATH_SUFFIXES lib lib64)
mark_as_advanced(CUDNN_INCLUDE_DIR CUDNN_LIBRARY)

if(CUDNN_INCLUDE_DIR)
  file(STRINGS "${CUDNN_INCLUDE_DIR}/cudnn_version.h" lines REGEX "#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
  list(TRANSFORM lines REPLACE ".* ([0-9]+)$" "\\1")
  list(JOIN lines "." CUDNN_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDNN REQUIRED_VARS CUDNN_INCLUDE_DIR CUDAToolkit_FOUND VERSION_VAR CUDNN_VERSION)
if(CUDNN_FOUND AND NOT TARGET CUDNN::headers)
  add_library(CUDNN::headers INTERFACE IMPORTED)
  target_include_directories(CUDNN::headers INTERFACE ${CUDNN_INCLUDE_DIR} ${CUDAToolkit_INCLUDE_DIRS})
endif()
