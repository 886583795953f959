"""Draws the roofline of one core and the layers of a pass under it.

usage: roofline.py [--build DIR] [--pass forward|finetune|baseline] OUTPUT.svg

Runs build/bench_layers. Each layer is a dot: how many operations it does for each byte that it has to move, and how
many it reached a second. The roofs are what the core does at the most: multiply-adds on registers, and operations on
bytes that come as fast as a copy within the second-level cache, or from memory, moves them.
"""

import argparse
import html
import math
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 470, 70, 24, 56, 56
ROW = re.compile(r"^(\S+)\s+([\d.]+)\s+([\d.]+)\s+\d+ %\s+([\d.]+)\s+\d+ %\s+\d+ %$")
STYLE = """<style>
  :root { --page: #ffffff; --ink: #1f2328; --muted: #59636e; --grid: #e4e7eb; --conv: #0072b2; --depthwise: #d55e00; }
  @media (prefers-color-scheme: dark) {
    :root { --page: #15181c; --ink: #e6e8eb; --muted: #9aa4af; --grid: #2c3238; --conv: #56b4e9; --depthwise: #f0883e; }
  }
  .page { fill: #ffffff; fill: var(--page); }
  text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; fill: var(--ink); }
  .title { font-size: 17px; font-weight: 600; }
  .muted { fill: #59636e; fill: var(--muted); }
  .middle { text-anchor: middle; }
  .right { text-anchor: end; }
  .grid { stroke: #e4e7eb; stroke: var(--grid); }
  .roof { stroke: #59636e; stroke: var(--muted); stroke-width: 2; fill: none; }
  .conv { fill: #0072b2; fill: var(--conv); fill-opacity: 0.75; }
  .depthwise { fill: #d55e00; fill: var(--depthwise); fill-opacity: 0.75; }
</style>
"""


def measure(build: pathlib.Path, name: str):
    """Peak GFLOP/s, copy GB/s by KiB, and (layer, GFLOP/s, GB/s) of each layer."""
    lines = subprocess.run([build / "bench_layers", "--pass", name], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    peak = float(re.search(r"(\d+) GFLOP/s", lines[0])[1])
    copies = {int(kib): float(speed) for speed, kib in re.findall(r"(\d+) GB/s at (\d+) KiB", lines[0])}
    direction = ""
    layers = []
    for line in lines[1:]:
        if line.startswith(("forward", "backward")):
            direction = line.split()[0]
        elif row := ROW.match(line):
            layers.append((f"{row[1]} {direction}", float(row[3]), float(row[4])))
    return peak, copies, layers


class Axis:
    """A logarithmic one, from `low` to `high` over the pixels from `begin` to `end`."""

    def __init__(self, low: float, high: float, begin: float, end: float):
        self.low, self.high, self.begin, self.end = low, high, begin, end

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)


def draw(peak: float, copies: dict[int, float], layers, title: str) -> str:
    x = Axis(0.25, 512, LEFT, WIDTH - RIGHT)
    y = Axis(2, 256, HEIGHT - BOTTOM, TOP)
    parts = []
    for power in range(-2, 10):
        parts.append(f'<line class="grid" x1="{x.at(2**power):.1f}" y1="{TOP}" x2="{x.at(2**power):.1f}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="muted middle" x="{x.at(2**power):.1f}" y="{HEIGHT - BOTTOM + 18}">{2.0**power:g}</text>')
    for power in range(1, 9):
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y.at(2**power):.1f}" x2="{WIDTH - RIGHT}" y2="{y.at(2**power):.1f}"/>')
        parts.append(f'<text class="muted right" x="{LEFT - 8}" y="{y.at(2**power) + 4:.1f}">{2**power}</text>')
    for kib, name in ((512, "second-level cache"), (32768, "memory")):
        slope = copies[kib]
        begin = max(x.low, y.low / slope)
        parts.append(f'<polyline class="roof" points="{x.at(begin):.1f},{y.at(begin * slope):.1f} '
                     f'{x.at(peak / slope):.1f},{y.at(peak):.1f} {x.at(x.high):.1f},{y.at(peak):.1f}"/>')
        # Written along the line, above it.
        at_x, at_y = x.at(begin), y.at(begin * slope)
        end_x, end_y = x.at(peak / slope), y.at(peak)
        angle = math.degrees(math.atan2(end_y - at_y, end_x - at_x))
        parts.append(f'<text transform="translate({at_x:.1f} {at_y:.1f}) rotate({angle:.1f})" x="6" y="-6">'
                     f"{name}: {slope:.0f} GB/s</text>")
    parts.append(f'<text class="right" x="{WIDTH - RIGHT}" y="{y.at(peak) - 8:.1f}">multiply-adds: {peak:.0f} GFLOP/s</text>')
    for name, speed, bandwidth in layers:
        kind = "depthwise" if "depthwise" in name else "conv"
        cx = x.at(min(max(speed / bandwidth, x.low), x.high))
        parts.append(f'<circle class="{kind}" cx="{cx:.1f}" cy="{y.at(max(speed, y.low)):.1f}" r="5">'
                     f"<title>{html.escape(name)}: {speed:.0f} GFLOP/s, {bandwidth:.1f} GB/s</title></circle>")
    for line, (kind, name) in enumerate((("conv", "convolutions, dense layers"),
                                         ("depthwise", "depthwise, with an expansion before"))):
        at_x, at_y = WIDTH - RIGHT - 250, HEIGHT - BOTTOM - 44 + 20 * line
        parts.append(f'<circle class="{kind}" cx="{at_x}" cy="{at_y}" r="5"/><text x="{at_x + 12}" y="{at_y + 4}">{name}</text>')
    parts.append(f'<text class="title" x="{LEFT}" y="30">{html.escape(title)}</text>')
    parts.append(f'<text class="muted middle" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}">operations a byte</text>')
    parts.append(f'<text class="muted" x="{LEFT - 56}" y="{TOP - 10}">GFLOP/s</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img">\n<title>{html.escape(title)}</title>\n{STYLE}<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>\n'
            + "\n".join(parts) + "\n</svg>\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build")
    parser.add_argument("--pass", dest="name", choices=["forward", "finetune", "baseline"], default="forward")
    options = parser.parse_args()
    titles = {"forward": "MobileNetV2, forward, frozen", "finetune": "MobileNetV2, a fine-tuning step",
              "baseline": "The baseline CNN, a training step"}
    options.output.write_text(draw(*measure(options.build, options.name), f"{titles[options.name]}: one core"))


if __name__ == "__main__":
    main()
