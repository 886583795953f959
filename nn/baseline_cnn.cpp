#include "nn/baseline_cnn.h"

#include "nn/conv2d.h"
#include "nn/dense.h"
#include "nn/dropout.h"
#include "nn/flatten.h"
#include "nn/max_pool2d.h"

namespace ember {

Model baseline_cnn(int64_t image_size, int64_t classes, float dropout) {
  Model model("baseline_cnn", {image_size, image_size, 3});
  model.add(Conv2D("conv2d", {.filters = 32, .pixels = {}, .activation = Activation::relu}));
  model.add(MaxPool2D("max_pooling2d", 2));
  model.add(Conv2D("conv2d_1", {.filters = 64, .pixels = {}, .activation = Activation::relu}));
  model.add(MaxPool2D("max_pooling2d_1", 2));
  model.add(Flatten("flatten"));
  model.add(Dense("dense", 128, Activation::relu));
  model.add(Dropout("dropout", dropout));
  model.add(Dense("dense_1", classes));
  return model;
}

}  // namespace ember
