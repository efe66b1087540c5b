#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
#   picture.py DASHBOARD URL FROM TO >SVG
#
# Draws a dashboard of Grafana without Grafana: asks the Prometheus at URL what
# each panel asks, between two times (seconds since 1970), and places the panels
# as the dashboard does.  picture.sh calls it.
import json
import math
import re
import sys
import urllib.parse
import urllib.request
from xml.sax.saxutils import escape

UNIT = 50           # one of the 24 columns
ROW = 26            # one line of the grid's height
GAP = 8
STEP = 2            # seconds between two points
RATE = "10s"        # $__rate_interval for numbers of each second
COLOURS = ["#1a7f37", "#c08a00", "#1f6fd0", "#d4552a", "#8a4fc4", "#0c8a8a",
           "#b8336a", "#6b6b00", "#53698a", "#a05a2c", "#3d9970", "#777777"]
INK, FAINT, GRID, BACK, PANEL = "#24292f", "#57606a", "#dfe3e8", "#f3f5f7", \
    "#ffffff"


def ask(url, expr, begin, end):
    for name in ("host", "stream"):
        expr = expr.replace("$" + name, ".*")
    expr = expr.replace("$__rate_interval", RATE)
    query = urllib.parse.urlencode(
        {"query": expr, "start": begin, "end": end, "step": STEP})
    with urllib.request.urlopen(url + "/api/v1/query_range?" + query) as answer:
        result = json.load(answer)["data"]["result"]
    for series in result:
        points = [(t, float(v)) for t, v in series["values"]]
        yield series["metric"], [p for p in points if math.isfinite(p[1])]


def scaled(value, base, units, end=""):
    n = 0
    while abs(value) >= base and n < len(units) - 1:
        value /= base
        n += 1
    return f"{value:.3g}" + units[n] + end


def text_of(value, unit):
    """A number as Grafana would write it."""
    if unit == "cps":
        return scaled(value, 1000, ["", " K", " M"], " c/s")
    if unit == "Bps":
        return scaled(value, 1000, [" B/s", " kB/s", " MB/s", " GB/s"])
    if unit == "bytes":
        return scaled(value, 1024, [" B", " KiB", " MiB", " GiB"])
    if unit == "s":
        if value and abs(value) < 1e-3:
            return f"{value * 1e6:.3g} µs"
        if value and abs(value) < 1:
            return f"{value * 1e3:.3g} ms"
        return f"{value:.3g} s" if value < 120 else f"{value / 60:.3g} min"
    return scaled(value, 1000, ["", " K", " M", " G"])


def ticks(most, unit):
    """Round numbers from 0 to a bit above the largest value."""
    base = 1024 if unit == "bytes" else 1000
    power = 1.0
    while unit == "bytes" and most / power >= base:
        power *= base
    raw = (most or 1) / power / 4
    size = 10 ** math.floor(math.log10(raw))
    step = next(s for s in (1, 2, 2.5, 5, 10) if s * size >= raw) * size
    if unit == "short":
        step = max(step, 1)
    n = max(1, math.ceil(most / power / step - 1e-9))
    return [i * step * power for i in range(n + 1)]


def text(x, y, words, size, colour=INK, anchor="start", weight=None):
    more = f' font-weight="{weight}"' if weight else ""
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" '
            f'fill="{colour}" text-anchor="{anchor}"{more}>'
            f"{escape(words)}</text>")


def width_of(words, size):
    return len(words) * size * 0.56


def legend_of(target, labels):
    return re.sub(r"{{\s*(\w+)\s*}}", lambda m: labels.get(m[1], ""),
                  target["legendFormat"])


def lines_of(panel, url, begin, end):
    lines = []
    for target in panel["targets"]:
        answers = [(legend_of(target, labels), points)
                   for labels, points in ask(url, target["expr"], begin, end)]
        lines += sorted(answers, key=lambda line: line[0])
    if not lines:
        sys.exit(f"no answer for the panel {panel['title']}")
    return lines


def draw_legend(lines, x, y, width):
    """Names with their colours; those that are always 0 come last."""
    out, at, row = [], x, 0
    named = [(name, points, COLOURS[i % len(COLOURS)])
             for i, (name, points) in enumerate(lines)]
    busy = [n for n in named if any(v for _, v in n[1])]
    idle = len(named) - len(busy)
    if not busy:
        busy, idle = named[:6], len(named[6:])
    for name, _, colour in busy:
        need = width_of(name, 11) + 26
        if at + need > x + width and at > x:
            at, row = x, row + 1
        out.append(f'<rect x="{at:.0f}" y="{y + row * 15 - 5:.0f}" width="12" '
                   f'height="3" fill="{colour}"/>')
        out.append(text(at + 16, y + row * 15, name, 11))
        at += need
    if idle and any(any(v for _, v in n[1]) for n in named):
        words = f"and {idle} that stay 0"
        if at + width_of(words, 11) > x + width:
            at, row = x, row + 1
        out.append(text(at, y + row * 15, words, 11, FAINT))
    return out, row + 1


def path_of(points, x_of, y_of):
    out, last = [], None
    for t, v in points:
        jump = last is None or t - last > STEP
        out.append(f"{'M' if jump else 'L'}{x_of(t):.0f} {y_of(v):.1f}")
        last = t
    return "".join(out)


def draw_panel(panel, lines, begin, end, x, y, width, height):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    out = [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" '
           f'fill="{PANEL}" stroke="{GRID}"/>',
           text(x + 10, y + 19, panel["title"], 13, weight="600")]
    names, rows = draw_legend(lines, x + 12, 0, width - 24)
    marks = ticks(max((v for _, p in lines for _, v in p), default=0), unit)
    words = [text_of(m, unit) for m in marks]
    left = x + 18 + max(width_of(w, 10) for w in words)
    right, above = x + width - 14, y + 34
    below = y + height - 24 - rows * 15

    def x_of(t):
        return left + (t - begin) / (end - begin) * (right - left)

    def y_of(v):
        return below - v / marks[-1] * (below - above)

    for mark, word in zip(marks, words):
        out.append(f'<path d="M{left:.0f} {y_of(mark):.1f}H{right}" '
                   f'stroke="{GRID}"/>')
        out.append(text(left - 5, y_of(mark) + 3.5, word, 10, FAINT, "end"))
    for t in range(0, int(end - begin) + 1, 30):
        out.append(text(x_of(begin + t), below + 14,
                        f"{t // 60}:{t % 60:02}", 10, FAINT, "middle"))
    for i, (_, points) in enumerate(lines):
        out.append(f'<path d="{path_of(points, x_of, y_of)}" fill="none" '
                   f'stroke="{COLOURS[i % len(COLOURS)]}" '
                   'stroke-width="1.5" stroke-linejoin="round"/>')
    shift = y + height - 10 - (rows - 1) * 15
    out.append(f'<g transform="translate(0 {shift})">' + "".join(names) + "</g>")
    return out


def main():
    file, url, begin, end = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:])
    with open(file, encoding="utf-8") as source:
        dashboard = json.load(source)
    grid = [p["gridPos"] for p in dashboard["panels"]]
    height = max(g["y"] + g["h"] for g in grid) * ROW + 44
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" '
           f'viewBox="0 0 {24 * UNIT + GAP} {height + GAP}" '
           'font-family="DejaVu Sans, Verdana, sans-serif">',
           f'<rect width="100%" height="100%" fill="{BACK}"/>',
           text(GAP + 4, 28, dashboard["title"], 18, weight="600"),
           text(24 * UNIT, 28, "Host: All    Stream: All", 12, FAINT, "end")]
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        x, y = at["x"] * UNIT + GAP, at["y"] * ROW + 44
        if panel["type"] == "row":
            out.append(text(x + 4, y + 17, panel["title"], 14, FAINT,
                            weight="600"))
            continue
        out += draw_panel(panel, lines_of(panel, url, begin, end), begin, end,
                          x, y, at["w"] * UNIT - GAP, at["h"] * ROW - GAP)
    print("\n".join(out))
    print("</svg>")


main()
