#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kernels/emulator/emulator.h"
#include "tests/emulator/device_array.h"
#include "tests/emulator/language.h"

namespace ember {
namespace {

constexpr cudaStreamCaptureMode kMode = cudaStreamCaptureModeThreadLocal;

struct TestStream {
  cudaStream_t stream = nullptr;
  TestStream() { cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking); }
  ~TestStream() { cudaStreamDestroy(stream); }
};

/// x = factor * x + i on the stream.
cudaError_t step(const DeviceArray<float>& x, float factor, cudaStream_t stream) {
  float* data = x.data();
  void* arguments[] = {static_cast<void*>(&data), static_cast<void*>(&factor)};
  return cudaLaunchKernel(step_kernel, 2, 2, arguments, 0, stream);
}

}  // namespace

TEST_CASE("launches that no card takes are refused, and the error is told once") {
  CHECK(run(indices_kernel, 1, 1025, 0, static_cast<int*>(nullptr)) != "");
  CHECK(run(indices_kernel, 0, 1, 0, static_cast<int*>(nullptr)) != "");
  CHECK(run(indices_kernel, dim3(1, 65536), 1, 0, static_cast<int*>(nullptr)) != "");
  CHECK(run(indices_kernel, dim3(1, 1, 65536), 1, 0, static_cast<int*>(nullptr)) != "");
  CHECK(run(indices_kernel, 1, dim3(1, 1, 65), 0, static_cast<int*>(nullptr)) != "");
  CHECK(run(indices_kernel, 1, 1, size_t{64} << 10, static_cast<int*>(nullptr)) != "");
  const DeviceArray<float> x(4);
  CHECK(cudaMemcpy(x.data() + 1, x.data(), 16, cudaMemcpyDeviceToDevice) == cudaErrorInvalidValue);
  CHECK(cudaPeekAtLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("a block may use more than 48 KiB of dynamic shared memory once it has asked") {
  const DeviceArray<float> in(std::vector<float>(48, 1.0f));
  const DeviceArray<float> out(48);
  const size_t bytes = size_t{96} << 10;
  CHECK(run(reverse_kernel, 1, 48, bytes, out.data(), in.data()) != "");
  CHECK(cudaFuncSetAttribute(reverse_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes)) == cudaSuccess);
  CHECK(run(reverse_kernel, 1, 48, bytes, out.data(), in.data()) == "");
  CHECK(cudaFuncSetAttribute(reverse_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             256 << 10) == cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST_CASE("memory is freed once, and copies stay within one allocation") {
  void* block = nullptr;
  REQUIRE(cudaMalloc(&block, 100) == cudaSuccess);
  CHECK(cudaMemset(block, 1, 100) == cudaSuccess);
  CHECK(cudaMemset(block, 1, 101) == cudaErrorInvalidValue);
  CHECK(cudaFree(block) == cudaSuccess);
  CHECK(cudaFree(block) == cudaErrorInvalidValue);
  CHECK(cudaMemset(block, 1, 1) == cudaErrorInvalidValue);
  CHECK(cudaFree(nullptr) == cudaSuccess);
  cudaGetLastError();
}

TEST_CASE("a copy of memory that was never written is not written either") {
  if (!emulator::has_hooks()) return;
  const DeviceArray<float> from(4);
  const DeviceArray<float> between(std::vector<float>(4, 1.0f));
  const DeviceArray<float> to(4);
  REQUIRE(cudaMemcpy(between.data(), from.data(), 8, cudaMemcpyDeviceToDevice) == cudaSuccess);
  const auto copies = [&](int first, unsigned count) {
    return run(copy_kernel, 1, count, 0, to.data(), between.data() + first, 0, 1);
  };
  CHECK(copies(2, 2) == "");
  CHECK(copies(1, 1).find("never written") != std::string::npos);
}

TEST_CASE("host threads may use the card at the same time") {
  const auto work = [](std::vector<float>& seen) {
    const DeviceArray<float> x(std::vector<float>{1, 1, 1, 1});
    for (int i = 0; i < 50; ++i) {
      REQUIRE(step(x, 1.0f, nullptr) == cudaSuccess);
      std::vector<std::shared_ptr<int>> owners(10, std::make_shared<int>(i));
    }
    seen = x.values();
  };
  std::vector<std::vector<float>> seen(2);
  {
    const std::jthread first(work, std::ref(seen[0]));
    const std::jthread second(work, std::ref(seen[1]));
  }
  for (const auto& values : seen) CHECK(values == std::vector<float>{1, 51, 101, 151});
}

TEST_CASE("a graph holds what its stream was given, and each launch does it again") {
  const TestStream test;
  const DeviceArray<float> x(std::vector<float>{1, 1, 1, 1});
  REQUIRE(cudaStreamBeginCapture(test.stream, kMode) == cudaSuccess);
  cudaStreamCaptureStatus status{};
  cudaStreamIsCapturing(test.stream, &status);
  CHECK(status == cudaStreamCaptureStatusActive);
  CHECK(step(x, 2.0f, test.stream) == cudaSuccess);
  CHECK(step(x, 3.0f, test.stream) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamEndCapture(test.stream, &graph) == cudaSuccess);
  CHECK(x.values() == std::vector<float>{1, 1, 1, 1});  // nothing has run yet

  cudaGraphExec_t executable = nullptr;
  REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
  REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(cudaGraphLaunch(executable, test.stream) == cudaSuccess);
  CHECK(x.values() == std::vector<float>{6, 10, 14, 18});  // 3 (2x + i) + i
  CHECK(cudaGraphLaunch(executable, test.stream) == cudaSuccess);
  CHECK(x.values() == std::vector<float>{36, 64, 92, 120});
  CHECK(cudaGraphExecDestroy(executable) == cudaSuccess);
}

TEST_CASE("waiting or allocating spoils a capture") {
  const TestStream test;
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamBeginCapture(test.stream, kMode) == cudaSuccess);
  CHECK(cudaStreamBeginCapture(test.stream, kMode) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamSynchronize(test.stream) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(test.stream, &graph) == cudaErrorStreamCaptureInvalidated);
  CHECK(graph == nullptr);
  REQUIRE(cudaStreamBeginCapture(test.stream, kMode) == cudaSuccess);
  void* block = nullptr;
  CHECK(cudaMallocAsync(&block, 16, test.stream) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(test.stream, &graph) == cudaErrorStreamCaptureInvalidated);
  REQUIRE(cudaStreamBeginCapture(test.stream, kMode) == cudaSuccess);
  CHECK(cudaMalloc(&block, 16) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(test.stream, &graph) == cudaErrorStreamCaptureInvalidated);
  REQUIRE(cudaStreamBeginCapture(test.stream, kMode) == cudaSuccess);
  CHECK(cudaDeviceSynchronize() == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(test.stream, &graph) == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaStreamSynchronize(test.stream) == cudaSuccess);
  cudaGetLastError();
}

TEST_CASE("a graph reports the fault of the kernel that is in it") {
  if (!emulator::has_hooks()) return;
  const TestStream test;
  const DeviceArray<float> x(std::vector<float>{1, 1, 1});  // one too few for four threads
  REQUIRE(cudaStreamBeginCapture(test.stream, kMode) == cudaSuccess);
  CHECK(step(x, 2.0f, test.stream) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  REQUIRE(cudaStreamEndCapture(test.stream, &graph) == cudaSuccess);
  REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
  const cudaError_t error = cudaGraphLaunch(executable, test.stream);
  CHECK(error == cudaErrorLaunchFailure);
  CHECK(std::string(cudaGetErrorString(error)).find("out of bounds") != std::string::npos);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaGetLastError();
}

TEST_CASE("events follow their stream's work, and time does not run backwards") {
  const TestStream test;
  const DeviceArray<float> x(std::vector<float>(4, 1.0f));
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  REQUIRE(cudaEventCreate(&begin) == cudaSuccess);
  REQUIRE(cudaEventCreate(&end) == cudaSuccess);
  CHECK(cudaEventRecord(begin, test.stream) == cudaSuccess);
  CHECK(step(x, 2.0f, test.stream) == cudaSuccess);
  CHECK(cudaEventRecord(end, test.stream) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(test.stream, end) == cudaSuccess);
  CHECK(cudaEventQuery(end) == cudaErrorNotReady);
  CHECK(cudaEventQuery(end) == cudaSuccess);
  CHECK(cudaEventSynchronize(begin) == cudaSuccess);
  CHECK(cudaEventQuery(begin) == cudaSuccess);
  float ms = -1;
  CHECK(cudaEventElapsedTime(&ms, begin, end) == cudaSuccess);
  CHECK(ms > 0);
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
}

TEST_CASE("there is one card, of a known kind") {
  int count = 0;
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess);
  CHECK(count == 1);
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(properties.warpSize == 32);
  CHECK(properties.maxThreadsPerBlock == 1024);
  CHECK(cudaGetDeviceProperties(&properties, 1) == cudaErrorInvalidDevice);
  cudaGetLastError();
}

}  // namespace ember
