"""The results of a run as a picture: a panel for each kind of texts, a bar for
each engine and number of threads, Remora's in a colour of its own and marked
with what must hold. It must never show a figure that the table does not have.
"""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.colors import to_rgb  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.patches import Patch  # noqa: E402

from peers_engines import ENGINES  # noqa: E402
from peers_report import BARS, figure, figure_text, versions_text  # noqa: E402

DTYPES = ("f32", "bf16", "int8", "int4")
PANELS = {
    "short": "short texts, tokens/s: more is better",
    "mixed": "mixed texts, tokens/s: more is better",
    "long": "long texts, tokens/s: more is better",
    "p50": "one short text alone, p50 ms: less is better",
}
OURS, THEIRS, INK = "#c8102e", "#5b6b7a", "#1d2731"
FAINTEST = 0.45


def shade(colour, number, counts):
    """The colour for the number-th of so many counts of threads: fainter for
    fewer threads, whole for the most."""
    share = 1 - (1 - FAINTEST) * (counts - 1 - number) / max(counts - 1, 1)
    return [1 - share * (1 - part) for part in to_rgb(colour)]


def measured(results):
    """The engines with figures, by dtype, Remora last in each."""
    ran = [e for e in ENGINES if results["engines"].get(
        e.key, {}).get("threads")]
    return sorted(ran, key=lambda e: (
        DTYPES.index(e.dtype), e.name == "Remora"
    ))


def needed(results, engine, measure, threads):
    """What Remora must reach here, in the panel's own unit, or None."""
    if engine.name != "Remora":
        return None
    for bar in BARS:
        if (bar.dtype, bar.measure) == (engine.dtype, measure):
            peer = figure(results, bar.peer, threads, measure)
            return None if peer is None else peer * bar.least
    return None


def draw(axes, results, engines, measure):
    threads = results["threads"]
    height = 0.8 / len(threads)
    top = 0
    for row, engine in enumerate(engines):
        for i, count in enumerate(threads):
            value = figure(results, engine.key, count, measure)
            if value is None:
                continue
            at = row - 0.4 + height * (i + 0.5)
            colour = OURS if engine.name == "Remora" else THEIRS
            axes.barh(at, value, height * 0.92,
                      color=shade(colour, i, len(threads)))
            mark = needed(results, engine, measure, count)
            if mark is not None:
                axes.plot([mark] * 2, [at - height / 2, at + height / 2],
                          color=INK, linewidth=2)
            axes.text(max(value, mark or 0), at,
                      "  " + figure_text(measure, value),
                      va="center", fontsize=8, color=INK)
            top = max(top, value, mark or 0)
    axes.set_xlim(0, top * 1.18)
    axes.set_ylim(len(engines) - 0.4, -0.6)
    axes.set_yticks(range(len(engines)),
                    [f"{e.name}, {e.dtype}" for e in engines])
    axes.set_title(PANELS[measure], fontsize=10, loc="left", color=INK)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.10g}")
    axes.tick_params(labelsize=8, length=0)
    axes.grid(axis="x", color="#dde3e8", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def legend(fig, results):
    entries = [
        Patch(color=shade(INK, i, len(results["threads"])),
              label=f"{count} thread{'s' if count > 1 else ''}")
        for i, count in enumerate(results["threads"])
    ]
    entries.append(Line2D([], [], color=INK, linewidth=2,
                          label="the least that Remora must reach"))
    fig.legend(handles=entries, loc="upper right", ncols=len(entries),
               fontsize=9, frameon=False)


def plot(results, path):
    """Writes the picture to path."""
    engines = measured(results)
    panels = [m for m in PANELS if m in results["series"] or m == "p50"]
    rows = -(-len(panels) // 2)
    panel_height = 1.0 + 0.42 * max(len(engines), 2)
    fig, grid = plt.subplots(
        rows, 2, figsize=(13, rows * panel_height + 1.2), squeeze=False,
        layout="constrained",
    )
    for axes, measure in zip(grid.flat, panels):
        draw(axes, results, engines, measure)
    for axes in grid.flat[len(panels):]:
        axes.set_visible(False)
    machine = results["machine"]
    fig.suptitle(f"{results['model']}, Remora beside other engines",
                 x=0.01, ha="left", fontsize=13, color=INK)
    fig.supxlabel(
        f"{machine['cpu']}, {machine['cores']} cores, "
        f"{' '.join(machine['flags'])}\n{versions_text(results)}",
        x=0.01, ha="left", fontsize=8, color=INK,
    )
    legend(fig, results)
    fig.savefig(path, dpi=110)
    plt.close(fig)
