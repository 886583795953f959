#include "apps/plots.h"

#include <doctest/doctest.h>
#include <tinyxml2.h>

#include <string>
#include <vector>

namespace ember {
namespace {

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

bool is_xml(const std::string& text) {
  tinyxml2::XMLDocument document;
  return document.Parse(text.c_str()) == tinyxml2::XML_SUCCESS;
}

}  // namespace

TEST_CASE("curves: two panels, two curves each, a boundary between stages") {
  History history;
  for (int epoch = 1; epoch <= 3; ++epoch) {
    history.push_back({.stage = "frozen",
                       .epoch = epoch,
                       .loss = 1.0 / epoch,
                       .accuracy = 0.3 * epoch,
                       .val_loss = 1.1 / epoch,
                       .val_accuracy = 0.2 * epoch});
  }
  const std::string one_stage = curves_svg("a < b", history);
  CHECK(is_xml(one_stage));
  CHECK(one_stage.find("a &lt; b") != std::string::npos);
  CHECK(count(one_stage, "<polyline") == 4);
  CHECK(count(one_stage, "class=\"boundary\"") == 0);

  history.push_back(
      {.stage = "finetune", .epoch = 1, .loss = 0.5, .val_loss = 0.25, .val_accuracy = 0.5});
  const std::string two_stages = curves_svg("two", history);
  CHECK(count(two_stages, "class=\"boundary\"") == 2);
  CHECK(count(two_stages, ">finetune<") == 2);
  CHECK(count(two_stages, "<polyline") == 8);
  CHECK(count(two_stages, "nan") == 0);
}

TEST_CASE("curves of one epoch, of equal values and of none are still pictures") {
  CHECK(is_xml(curves_svg("none", {})));
  const std::string one = curves_svg("one", {{.stage = "baseline", .epoch = 1}});
  CHECK(is_xml(one));
  CHECK(count(one, "nan") == 0);
  CHECK(count(one, "inf") == 0);
}

TEST_CASE("reliability, estimates and times are pictures of what they are given") {
  const std::vector<ReliabilityBin> bins{{0, 0, 0}, {3, 0.4, 1.0 / 3}, {12, 0.9, 0.75}};
  const std::string reliability = reliability_svg("model & co", bins);
  CHECK(is_xml(reliability));
  CHECK(count(reliability, "<circle") == 2);
  CHECK(count(reliability, "at most 12") == 1);
  CHECK(is_xml(reliability_svg("none", std::vector<ReliabilityBin>(10))));

  const std::vector<Estimate> estimates{{"a < b", 0.5, {0.25, 0.75}}, {"c", 1, {0.9, 1}}};
  const std::string dots = estimates_svg("Accuracy", estimates);
  CHECK(is_xml(dots));
  CHECK(count(dots, "<circle") == 2);
  CHECK(count(dots, ">0.500<") == 1);

  const History history{{.stage = "frozen",
                         .epoch = 1,
                         .steps = 10,
                         .seconds = 2,
                         .ms_per_step = 100,
                         .ms_waited = 5}};
  const std::string times = times_svg("Times", history);
  CHECK(is_xml(times));
  CHECK(count(times, "frozen 1") == 1);
  CHECK(count(times, "nan") == 0);
  CHECK(is_xml(times_svg("none", {})));
}

TEST_CASE("confusion matrix: each cell has its count and its share of the row") {
  ConfusionMatrix confusion(2);
  confusion.add(0, 0, 3);
  confusion.add(0, 1, 1);
  const std::vector<std::string> names{"cat & dog", "fish"};
  const std::string svg = confusion_matrix_svg("pets", confusion, names);
  CHECK(is_xml(svg));
  CHECK(svg.find(">3<") != std::string::npos);
  CHECK(svg.find(">75.0 %<") != std::string::npos);
  CHECK(svg.find(">25.0 %<") != std::string::npos);
  CHECK(count(svg, ">0.0 %<") == 2);  // the class without photos
  CHECK(count(svg, "cat &amp; dog") == 2);
}

}  // namespace ember
