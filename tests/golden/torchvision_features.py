"""torchvision's MobileNetV2 features: the reference for weights that come from PyTorch.

Made with torch 2.15.0 and torchvision 0.29.2. The network is narrow (width 0.1, two classes), its
values are drawn; features are computed in double precision from the float32 values and image.
"""

import numpy as np
import torch
import torchvision
from golden import picture, save

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

torch.manual_seed(1)

image = picture(7, 64, 64, cell=8)[None]
normalised = ((image / 255.0 - MEAN) / STD).astype(np.float32)
batch = torch.from_numpy(normalised).permute(0, 3, 1, 2)

model = torchvision.models.mobilenet_v2(num_classes=2, width_mult=0.1)
norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
with torch.no_grad():
    for norm in norms:
        norm.momentum = None
        norm.weight.uniform_(0.5, 2.0)
        norm.bias.normal_(0.0, 0.5)
    # The statistics of this image, so that no layer saturates; then shaken, so that they matter.
    model.train()
    model.features(torch.cat([batch, batch.flip(3)]))
    for norm in norms:
        norm.running_mean.add_(0.1 * torch.randn_like(norm.running_mean) * norm.running_var.sqrt())
        norm.running_var.mul_(torch.empty_like(norm.running_var).uniform_(0.7, 1.4)).clamp_(0.01)

    state = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    features = model.eval().double().features(batch.double()).permute(0, 2, 3, 1).numpy()

save("torchvision_state", state)
save(
    "torchvision_features",
    {
        "image": image,
        "input": normalised,
        "feature_map": features.astype(np.float32),
        "features": features.mean(axis=(1, 2)).astype(np.float32),
    },
    {"feature_map": "rel_l2 1e-5", "features": "rel_l2 1e-5"},
)
