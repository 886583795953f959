#include "nn/summary.h"

#include <doctest/doctest.h>

namespace ember {

TEST_CASE("a chain prints as Keras prints it, with multiply-adds and what trains") {
  const std::vector<LayerRow> rows{
      {.name = "input_layer", .type = "InputLayer", .output_shape = {8, 8, 3}, .inputs = {}},
      {.name = "conv2d",
       .type = "Conv2D",
       .output_shape = {6, 6, 32},
       .params = 896,
       .trainable_params = 896,
       .macs = 31104,
       .inputs = {"input_layer"}},
      {.name = "bn",
       .type = "BatchNormalization",
       .output_shape = {6, 6, 32},
       .params = 128,
       .inputs = {"conv2d"}}};
  CHECK(format_summary("small", rows) ==
        "Model: \"small\"\n"
        "┏━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━┳━━━━━━━━┓\n"
        "┃ Layer (type)             ┃ Output Shape     ┃ Param # ┃   MACs ┃ Trains ┃\n"
        "┡━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━╇━━━━━━━━┩\n"
        "│ input_layer (InputLayer) │ (None, 8, 8, 3)  │       0 │      0 │ -      │\n"
        "├──────────────────────────┼──────────────────┼─────────┼────────┼────────┤\n"
        "│ conv2d (Conv2D)          │ (None, 6, 6, 32) │     896 │ 31,104 │ Y      │\n"
        "├──────────────────────────┼──────────────────┼─────────┼────────┼────────┤\n"
        "│ bn (BatchNormalization)  │ (None, 6, 6, 32) │     128 │      0 │ N      │\n"
        "└──────────────────────────┴──────────────────┴─────────┴────────┴────────┘\n"
        " Total params: 1,024 (4.00 KB)\n"
        " Trainable params: 896 (3.50 KB)\n"
        " Non-trainable params: 128 (512.00 B)\n"
        " MACs per image: 31,104\n");
}

TEST_CASE("whose kernels compute a layer is shown where there is a choice") {
  const std::vector<LayerRow> rows{
      {.name = "input_layer", .type = "InputLayer", .output_shape = {8, 8, 3}, .inputs = {}},
      {.name = "conv2d",
       .type = "Conv2D",
       .output_shape = {6, 6, 32},
       .kernels = "cuDNN",
       .inputs = {"input_layer"}}};
  const std::string text = format_summary("small", rows);
  CHECK(text.find("Trains ┃ Kernels ┃") != std::string::npos);
  CHECK(text.find("│ -      │ cuDNN   │") != std::string::npos);
  CHECK(text.find("│ -      │ -       │") != std::string::npos);
}

TEST_CASE("a model that is no chain says what each layer reads, and long names are shortened") {
  const std::vector<LayerRow> rows{
      {.name = "input_layer", .type = "InputLayer", .output_shape = {4}, .inputs = {}},
      {.name = "a_layer_whose_name_is_so_long_that_nothing_fits",
       .type = "Dense",
       .output_shape = {4},
       .params = 1234567,
       .inputs = {"input_layer"}},
      {.name = "add",
       .type = "Add",
       .output_shape = {4},
       .inputs = {"input_layer", "a_layer_whose_name_is_so_long_that_nothing_fits"}}};
  const std::string text = format_summary("branches", rows);
  CHECK(text.find("Connected to") != std::string::npos);
  CHECK(text.find("a_layer_whose_n…hat_nothing_fits") != std::string::npos);
  CHECK(text.find("(Dense)") != std::string::npos);
  CHECK(text.find("1,234,567 (4.71 MB)") != std::string::npos);
  CHECK(text.find("whose_name_is_so_long") == std::string::npos);
}

}  // namespace ember
