#include "bench/kernel_report/json.h"

#include <nlohmann/json.hpp>

namespace ember {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const emulator::AccessCounters& counters) {
  return {{"requests", counters.requests},
          {"lanes", counters.lanes},
          {"bytes", counters.bytes},
          {"transactions", counters.transactions},
          {"fewest_transactions", counters.fewest}};
}

Json json_of(const KernelRow& row, const Card& card) {
  const emulator::KernelCounters& k = row.counters;
  Json json{{"name", row.name},
            {"launches", k.launches},
            {"blocks", k.blocks},
            {"threads", k.threads},
            {"barriers", k.barriers},
            {"bytes_moved", moved(k)},
            {"fewest_bytes", distinct(k)},
            {"floor_us", static_cast<double>(distinct(k)) / card.bandwidth * 1e-3},
            {"global_load", json_of(k.global_load)},
            {"global_store", json_of(k.global_store)},
            {"shared_load", json_of(k.shared_load)},
            {"shared_store", json_of(k.shared_store)},
            {"atomics", json_of(k.atomics)},
            {"shapes", Json::array()},
            {"compiled", Json::object()}};
  for (const LaunchShape& shape : row.shapes) {
    json["shapes"].push_back({{"grid", shape.grid},
                              {"block", shape.block},
                              {"dynamic_shared_bytes", shape.dynamic_shared_bytes},
                              {"launches", shape.launches}});
  }
  for (const auto& [architecture, kernel] : row.compiled) {
    Json& of_architecture = json["compiled"]["sm_" + std::to_string(architecture)];
    of_architecture = {{"registers", kernel.registers},
                       {"shared_bytes", kernel.shared_bytes},
                       {"stack_bytes", kernel.stack_bytes},
                       {"spill_store_bytes", kernel.spill_stores},
                       {"spill_load_bytes", kernel.spill_loads}};
    const auto warps = row.resident_warps.find(architecture);
    if (warps != row.resident_warps.end()) of_architecture["resident_warps"] = warps->second;
  }
  return json;
}

Json json_of(const LayerFloor& layer) {
  Json shape = Json::array();
  for (int64_t size : layer.output_shape) shape.push_back(size);
  return {{"name", layer.name},
          {"type", layer.type},
          {"output_shape", shape},
          {"params", layer.params},
          {"forward_flop", layer.forward_flop},
          {"backward_flop", layer.backward_flop},
          {"forward_bytes", layer.forward_bytes},
          {"backward_bytes", layer.backward_bytes}};
}

}  // namespace

Json json_of(const StepReport& report) {
  const auto& [model, frozen, image_size, batch, card] = report.options;
  Json json{{"model", model},
            {"frozen", frozen},
            {"image_size", image_size},
            {"batch", batch},
            {"card", {{"name", card.name}, {"bandwidth_gb_s", card.bandwidth}}},
            {"step",
             {{"launches", report.launches},
              {"copies", report.copies},
              {"host_waits", report.host_waits},
              {"allocations", report.allocations},
              {"bytes_moved", report.moved()},
              {"fewest_bytes_of_kernels", report.distinct()},
              {"fewest_bytes_of_layers", report.fewest_bytes()},
              {"bytes_read_again_by_two_gradients", report.again_bytes()}}},
            {"kernels", Json::array()},
            {"parts", Json::array()},
            {"layers", Json::array()}};
  for (const KernelRow& row : report.kernels) json["kernels"].push_back(json_of(row, card));
  for (const KindRow& row : report.kinds) {
    json["parts"].push_back({{"name", row.kind},
                             {"launches", row.launches},
                             {"bytes_moved", row.moved},
                             {"fewest_bytes", row.fewest_bytes}});
  }
  for (const LayerFloor& layer : report.layers) json["layers"].push_back(json_of(layer));
  return json;
}

}  // namespace ember
