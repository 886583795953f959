"""Times the steps of bench/bench_steps.cpp in PyTorch: batch 32, 128x128, float32.

usage: torch_steps.py [--threads N] [--seconds S] [--compile] [--layout nchw|nhwc] [--device cpu|cuda] STEP...

Prints one JSON object: the median of each step in milliseconds.
"""

import argparse
import json

import torch
import torch._inductor.config
import torchvision
from torch import nn

from timing import BATCH, CLASSES, SIDE, median_ms


def head(features: int) -> list[nn.Module]:
    return [nn.Linear(features, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, CLASSES)]


class Transfer(nn.Module):
    """The study's transfer model; `frozen` keeps the base in inference mode and out of the gradient."""

    def __init__(self, frozen: bool):
        super().__init__()
        self.base = torchvision.models.mobilenet_v2(weights=None).features
        self.head = nn.Sequential(*head(1280))
        self.frozen = frozen
        if frozen:
            self.base.requires_grad_(False)

    def train(self, mode: bool = True):
        super().train(mode)
        if self.frozen:
            self.base.eval()
        return self

    def forward(self, images):
        if self.frozen:
            with torch.no_grad():
                features = self.base(images)
        else:
            features = self.base(images)
        return self.head(features.mean((2, 3)))


def baseline() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        *head(64 * 30 * 30))


def make_step(name: str, layout: str, compiled: bool, device: str):
    torch.manual_seed(1)
    model = baseline() if name == "baseline_step" else Transfer(frozen=name.startswith("frozen"))
    model = model.to(device)
    images = torch.rand(BATCH, 3, SIDE, SIDE, device=device)
    if layout == "nhwc":
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH, device=device) % CLASSES
    if name == "frozen_forward":
        model.eval()
        torch._inductor.config.freezing = True  # folds the BatchNorms
        run = torch.compile(model) if compiled else model

        def forward():
            with torch.inference_mode():
                run(images)
            if device == "cuda":
                torch.cuda.synchronize()

        return forward

    model.train()
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad],
                                 lr=1e-4 if name == "finetune_step" else 1e-3, fused=True)
    loss_of = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(run(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="+",
                        choices=["frozen_forward", "frozen_step", "finetune_step", "baseline_step"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5, help="how long each step is timed")
    parser.add_argument("--layout", choices=["nchw", "nhwc"], default="nhwc")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(json.dumps({name: median_ms(make_step(name, options.layout, options.compile, options.device),
                                      options.seconds)
                      for name in options.steps}))


if __name__ == "__main__":
    main()
