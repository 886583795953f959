#include "data/face_split.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "data/grouped_split.h"
#include "data/photo_hash.h"
#include "tensor/error.h"

namespace ember {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<const char*, 3> kParts{"train", "validation", "test"};

std::vector<std::vector<int64_t>> parts_of(const FaceDataset& faces,
                                           const std::vector<double>& shares, uint64_t seed) {
  const auto part_of = split_groups(faces.data.labels, faces.group_of, shares, seed);
  std::vector<std::vector<int64_t>> parts(shares.size());
  for (size_t row = 0; row < part_of.size(); ++row) {
    parts[static_cast<size_t>(part_of[row])].push_back(static_cast<int64_t>(row));
  }
  return parts;
}

/// Each part is a test once.
std::vector<Split> splits_of(const std::vector<std::vector<int64_t>>& folds) {
  std::vector<Split> splits(folds.size());
  for (size_t test = 0; test < folds.size(); ++test) {
    splits[test].test = folds[test];
    for (size_t other = 0; other < folds.size(); ++other) {
      if (other == test) continue;
      auto& train = splits[test].train;
      train.insert(train.end(), folds[other].begin(), folds[other].end());
    }
    std::sort(splits[test].train.begin(), splits[test].train.end());
  }
  return splits;
}

Json photos_of(const FaceDataset& faces, const std::vector<int64_t>& rows) {
  std::set<std::string> photos;
  for (const int64_t row : rows) photos.insert(faces.data.rows[static_cast<size_t>(row)].file);
  return photos;
}

Json read_json(const std::filesystem::path& path) {
  std::ifstream stream(path);
  if (!stream) fail(ExitCode::no_input, "{}: no such split file", path.string());
  try {
    return Json::parse(stream);
  } catch (const Json::exception&) {
    fail(ExitCode::data, "{}: is no JSON; give a split.json that a run has written", path.string());
  }
}

/// The lists of photos in a split file, one a part.
std::vector<std::vector<std::string>> read_parts(const std::filesystem::path& path,
                                                 const Json& json) {
  try {
    if (json.contains("folds"))
      return json.at("folds").get<std::vector<std::vector<std::string>>>();
    std::vector<std::vector<std::string>> parts;
    parts.reserve(kParts.size());
    for (const char* part : kParts) parts.push_back(json.at(part).get<std::vector<std::string>>());
    return parts;
  } catch (const Json::exception&) {
    fail(ExitCode::data,
         "{}: has neither the lists train, validation and test nor folds; give a split.json that a "
         "run has written",
         path.string());
  }
}

/// Fails where a photo of the test looks like one that trains.
void check_for_leaks(const std::filesystem::path& path, const FaceDataset& faces,
                     const Split& split) {
  std::map<uint64_t, int64_t> trained;  // a row of each different photo
  for (const auto* rows : {&split.train, &split.validation}) {
    for (const int64_t row : *rows) trained.emplace(faces.hashes[static_cast<size_t>(row)], row);
  }
  std::set<uint64_t> seen;
  for (const int64_t row : split.test) {
    const uint64_t hash = faces.hashes[static_cast<size_t>(row)];
    if (!seen.insert(hash).second) continue;
    for (const auto& [other, trained_row] : trained) {
      if (!look_alike(hash, other)) continue;
      fail(ExitCode::data, "{}: test photo {} looks like {}, which trains; put both into one part",
           path.string(), faces.data.rows[static_cast<size_t>(row)].file,
           faces.data.rows[static_cast<size_t>(trained_row)].file);
    }
  }
}

}  // namespace

Split holdout_split(const FaceDataset& faces, uint64_t seed) {
  auto parts = parts_of(faces, {0.7, 0.15, 0.15}, seed);
  return {std::move(parts[0]), std::move(parts[1]), std::move(parts[2])};
}

std::vector<Split> fold_splits(const FaceDataset& faces, int count, uint64_t seed) {
  return splits_of(
      parts_of(faces, std::vector<double>(static_cast<size_t>(count), 1.0 / count), seed));
}

std::string split_json(const FaceDataset& faces, const std::vector<Split>& splits) {
  Json json;
  if (splits.size() == 1) {
    json = {{"train", photos_of(faces, splits[0].train)},
            {"validation", photos_of(faces, splits[0].validation)},
            {"test", photos_of(faces, splits[0].test)}};
  } else {
    json["folds"] = Json::array();
    for (const Split& split : splits) json["folds"].push_back(photos_of(faces, split.test));
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<Split> read_splits(const std::filesystem::path& path, const FaceDataset& faces) {
  const Json json = read_json(path);
  const auto lists = read_parts(path, json);
  std::map<std::string, size_t> part_of;
  for (size_t part = 0; part < lists.size(); ++part) {
    for (const std::string& photo : lists[part]) {
      if (!part_of.emplace(photo, part).second) {
        fail(ExitCode::data, "{}: names photo {} twice; leave it in one part", path.string(),
             photo);
      }
    }
  }
  std::vector<std::vector<int64_t>> parts(lists.size());
  for (size_t row = 0; row < faces.data.rows.size(); ++row) {
    const std::string& photo = faces.data.rows[row].file;
    const auto found = part_of.find(photo);
    if (found == part_of.end()) {
      fail(ExitCode::data, "{}: has no part for photo {}; add it, or split anew without --split",
           path.string(), photo);
    }
    parts[found->second].push_back(static_cast<int64_t>(row));
  }
  std::vector<Split> splits =
      json.contains("folds") ? splits_of(parts) : std::vector{Split{parts[0], parts[1], parts[2]}};
  for (const Split& split : splits) {
    if (split.train.empty() || split.test.empty()) {
      fail(ExitCode::data, "{}: leaves no face to {}; move photos between its parts", path.string(),
           split.train.empty() ? "train with" : "test");
    }
    check_for_leaks(path, faces, split);
  }
  return splits;
}

}  // namespace ember
