#include "apps/run_folder.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "tensor/error.h"
#include "tensor/temporary_folder.h"
#include "tests/files.h"

namespace ember {

TEST_CASE("runs are numbered, and none is taken twice") {
  const TemporaryFolder temporary;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(temporary.path());
  {
    const RunFolder first("", "app");
    const RunFolder second("", "app");
    CHECK(first.path() == "runs/app-1");
    CHECK(second.path() == "runs/app-2");
    CHECK(RunFolder("", "other").path() == "runs/other-1");
    CHECK(RunFolder("", "other").path() == "runs/other-1");  // nothing was kept in it
  }
  CHECK_FALSE(std::filesystem::exists("runs"));
  std::filesystem::current_path(before);
}

TEST_CASE("a given folder is made with its parents, and refused when something is in it") {
  const TemporaryFolder temporary;
  const auto path = temporary / "a" / "b";
  std::filesystem::create_directories(path);  // empty: as good as none
  RunFolder folder(path, "app");
  folder.write("args.json", "{}\n");
  CHECK(content(path / "args.json") == "{}\n");
  for (const auto& refused : {path, path / "args.json", path / "args.json" / "below"}) {
    CAPTURE(refused);
    try {
      const RunFolder again(refused, "app");
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::cannot_create);
      CHECK(std::string(error.what()).find(path.string()) != std::string::npos);
    }
  }
}

TEST_CASE("the folder of a run that is under way is nobody else's") {
  const TemporaryFolder temporary;
  {
    RunFolder folder(temporary / "run", "app");
    folder.keep();
    CHECK_THROWS_WITH_AS(RunFolder::reopen(folder.path()), doctest::Contains("is under way"),
                         Error);
  }
  const RunFolder again = RunFolder::reopen(temporary / "run");
  CHECK_THROWS_WITH_AS(RunFolder::reopen(again.path()), doctest::Contains("is under way"), Error);
}

TEST_CASE("a run that comes to nothing takes its folder away, but no file of others") {
  const TemporaryFolder temporary;
  const auto path = temporary / "run";
  const auto write_and_leave = [&](bool keep) {
    RunFolder folder(path, "app");
    folder.write("args.json", "{}\n");
    if (keep) folder.keep();
  };
  write_and_leave(false);
  CHECK_FALSE(std::filesystem::exists(path));
  write_and_leave(true);
  CHECK(content(path / "args.json") == "{}\n");
  std::filesystem::remove_all(path);
  {
    RunFolder folder(path, "app");
    write_text(path / "notes.txt", "mine");
  }
  CHECK(content(path / "notes.txt") == "mine");
}

TEST_CASE("results.csv") {
  const History history{{.stage = "frozen",
                         .epoch = 1,
                         .loss = 1.25,
                         .accuracy = 0.5,
                         .val_loss = 1e-9,
                         .val_accuracy = 1.0 / 3,
                         .learning_rate = 1e-4,
                         .seconds = 12.34567,
                         .ms_per_step = 50,
                         .ms_waited = 0.25}};
  CHECK(results_csv(history) ==
        "stage,epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,ms_per_step,"
        "ms_waited\n"
        "frozen,1,1.25,0.5,1e-09,0.33333333,0.0001,12.346,50.000,0.250\n");
}

TEST_CASE("fields of a CSV file are quoted where they must be") {
  CHECK(csv_field("photo 1.png") == "photo 1.png");
  CHECK(csv_field("a,b") == "\"a,b\"");
  CHECK(csv_field("say \"hi\"") == "\"say \"\"hi\"\"\"");
}

}  // namespace ember
