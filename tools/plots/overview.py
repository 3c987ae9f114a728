# Small multiples of a whole trace: a column a design, a row a figure, magazine size across, a line a
# number of threads. Rows share their scale, so that designs can be compared along them.
# Data: tab-separated, a line a point; the first line names the columns. "nan": not measured.
# Wants: terminal_kind, output_file, data_file, title_text, caption_text, note_text. Ends with status
# 3 when matplotlib is not installed.
import csv
import math
import sys

try:
    import matplotlib
except ImportError:
    print("matplotlib is not installed (Debian, Ubuntu: python3-matplotlib)", file=sys.stderr)
    sys.exit(3)

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "slablab"  # the same bytes every time
matplotlib.rcParams["svg.fonttype"] = "none"
from matplotlib import pyplot, ticker  # noqa: E402

COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MARKERS = "os^vDPX"
DASHES = ["-", "--", "-.", ":"]
ROWS = [
    ("throughput", "million events/s", "log"),
    ("memory", "peak of pages (MiB)", "log"),
    ("waiting", "waiting for locks (%)", "linear"),
    ("beyond", "beyond the CPU layer (%)", "linear"),
]


def read(path):
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def draw_panel(axes, points, row, threads):
    for number, count in enumerate(threads):
        chosen = [p for p in points if int(p["threads"]) == count and not math.isnan(float(p[row]))]
        if not chosen:
            continue
        x = [int(p["size"]) for p in chosen]
        y = [float(p[row]) for p in chosen]
        low = [a - float(p[row + "_low"]) for a, p in zip(y, chosen)]
        high = [float(p[row + "_high"]) - a for a, p in zip(y, chosen)]
        axes.errorbar(x, y, yerr=[low, high], color=COLORS[number % 7], marker=MARKERS[number % 7],
                      linestyle=DASHES[number % 4], markersize=4, linewidth=1.4, elinewidth=0.7,
                      label="%d thread%s" % (count, "" if count == 1 else "s"))


def draw(points):
    designs = list(dict.fromkeys(p["design"] for p in points))
    threads = sorted({int(p["threads"]) for p in points})
    sizes = sorted({int(p["size"]) for p in points if int(p["size"]) > 0})
    rows = [r for r in ROWS if any(not math.isnan(float(p[r[0]])) for p in points)]
    figure, grid = pyplot.subplots(len(rows), len(designs), sharex=True, sharey="row",
                                   squeeze=False, layout="constrained",
                                   figsize=(1.2 + 2.1 * len(designs), 1.2 + 1.9 * len(rows)))
    for i, (row, label, scale) in enumerate(rows):
        for j, design in enumerate(designs):
            axes = grid[i][j]
            draw_panel(axes, [p for p in points if p["design"] == design], row, threads)
            axes.set_yscale(scale)
            if scale == "log":
                axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
                axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
            axes.set_xscale("log", base=2)
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
            axes.tick_params(labelsize=8)
            axes.grid(color="#dddddd", linewidth=0.6)
            if i == 0:
                axes.set_title(design, fontsize=10)
        grid[i][0].set_ylabel(label, fontsize=9)
    figure.align_ylabels(grid[:, 0])
    figure.suptitle(title_text + "\n")  # the empty line is for the key
    figure.supxlabel("magazine size (objects)\n" + caption_text + "\n" + note_text, fontsize=8)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0.975),
                  ncol=len(labels), frameon=False, fontsize=8)
    clean = {"Date": None, "Creator": None} if terminal_kind == "svg" else {"Software": None}
    figure.savefig(output_file, dpi=110, metadata=clean)


draw(read(data_file))
