"""What the measured rounds say: medians, the ratios that Remora is held to,
and both as Markdown. It computes from a results dict alone (README.md
describes it) and must never measure, nor round before it compares.
"""

from statistics import median
from typing import NamedTuple

from peers_engines import ENGINES


class Bar(NamedTuple):
    """A figure of Remora's in one dtype, as a ratio to that of another engine
    (peer), or as it is where peer is None. `least` must hold; `goal` is what
    the arithmetic of a CPU allows, None where there is none."""

    dtype: str
    measure: str
    peer: str
    least: float
    goal: float


BARS = (
    Bar("f32", "mixed", "ov-f32", 1.4, 1.65),
    Bar("f32", "short", "ov-f32", 1.6, 1.9),
    Bar("f32", "p50", "ort-f32", 0.4, 0.3),
    Bar("f32", "cosine_min", None, 1 - 1e-6, None),
    Bar("bf16", "mixed", "ov-bf16", 1.45, 1.75),
    Bar("bf16", "short", "ov-bf16", 1.7, 2.0),
    Bar("bf16", "p50", "ov-bf16", 0.3, 0.2),
    Bar("bf16", "cosine_min", None, 0.9999, None),
    Bar("int8", "mixed", "ov-int8", 1.6, 2.0),
    Bar("int8", "short", "ov-int8", 1.8, 2.3),
    Bar("int8", "p50", "ort-int8", 0.35, 0.22),
    Bar("int8", "cosine_min", None, 0.995, None),
    Bar("int8", "cosine_mean", None, 0.999, None),
    Bar("int4", "weight_bytes", "remora-bf16", 0.3, None),
    Bar("int4", "p50", "remora-bf16", 1.0, None),
    Bar("int4", "cosine_min", None, 0.98, None),
    Bar("int4", "cosine_mean", None, 0.99, None),
)
# Of these less is better.
LESS = ("p50", "p99", "weight_bytes", "peak_mb")
WORDS = {
    "short": "short, tokens/s", "mixed": "mixed, tokens/s",
    "long": "long, tokens/s", "p50": "one text, p50",
    "p99": "one text, p99", "weight_bytes": "bytes of weights",
    "cosine_min": "cosine, min", "cosine_mean": "cosine, mean",
}


# ------------------------------------------------------------------ figures

def rounds(results, key, threads, measure):
    """A figure of an engine, one value for each round, higher or lower as
    LESS says; None where it was not measured."""
    engine = results["engines"].get(key)
    measured = engine and engine["threads"].get(str(threads))
    if not measured:
        return None
    if measure in results["series"]:
        tokens = results["series"][measure]["tokens"]
        return [tokens / seconds for seconds in measured[measure]]
    if measure in ("p50", "p99"):
        return measured[measure]
    value = measured.get(measure)
    return None if value is None else [value]


def figure(results, key, threads, measure):
    """The median of the rounds, or None."""
    values = rounds(results, key, threads, measure)
    return median(values) if values else None


def ratio(results, bar, threads):
    """The median of the rounds' ratios: two engines of one round ran within
    minutes of each other. None where either is absent."""
    ours = rounds(results, f"remora-{bar.dtype}", threads, bar.measure)
    if not ours:
        return None
    if bar.peer is None:
        return median(ours)
    theirs = rounds(results, bar.peer, threads, bar.measure)
    if not theirs:
        return None
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def reaches(bar, value, mark):
    return value <= mark if bar.measure in LESS else value >= mark


def verdict(bar, value):
    """"goal", "least", or "below" (worse than the least)."""
    if not reaches(bar, value, bar.least):
        return "below"
    if bar.goal is not None and reaches(bar, value, bar.goal):
        return "goal"
    return "least"


def compared(results):
    """A dict for each bar and thread count of which both sides are there."""
    found = []
    for bar in BARS:
        for threads in results["threads"]:
            value = ratio(results, bar, threads)
            if value is not None:
                found.append({
                    **bar._asdict(), "threads": threads, "value": value,
                    "verdict": verdict(bar, value),
                })
    return found


# ----------------------------------------------------------------- Markdown

def cosine_text(value):
    """A cosine, or how far it is from 1 where that is very little."""
    gap = 1 - value
    if gap > 1e-4:
        return f"{value:.4f}"
    return "1" if gap < 1e-9 else f"1 − {gap:.0e}"


def figure_text(measure, value):
    if value is None:
        return "–"
    if measure.startswith("cosine"):
        return cosine_text(value)
    if measure in ("p50", "p99"):
        return f"{value:.2f}"
    return f"{value:,.0f}"


def threads_text(results):
    counts = results["threads"]
    words = " / ".join(map(str, counts))
    return f"{words} thread{'s' if counts[-1] > 1 else ''}"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def grid(titles, rows):
    return "\n".join([row(titles), "|" + "---|" * len(titles), *map(row, rows)])


def each(results, key, measure):
    """A cell: the figure for each number of threads."""
    return " / ".join(
        figure_text(measure, figure(results, key, threads, measure))
        for threads in results["threads"]
    )


def figures_table(results):
    series = [name for name in WORDS if name in results["series"]]
    titles = ["engine", *(WORDS[name] for name in series),
              "one text, p50 ms", "p99 ms", "cosine to f32, min", "mean",
              "memory at its highest, MB"]
    columns = [*series, "p50", "p99"]
    rows = []
    for engine in ENGINES:
        if not results["engines"].get(engine.key, {}).get("threads"):
            continue
        last = [
            figure_text(m, figure(
                results, engine.key, results["threads"][-1], m
            )) for m in ("cosine_min", "cosine_mean", "peak_mb")
        ]
        rows.append([
            f"{engine.name}, {engine.dtype}",
            *(each(results, engine.key, m) for m in columns), *last,
        ])
    return grid(titles, rows)


def mark_text(bar, value):
    if value is None:
        return "–"
    if bar.measure.startswith("cosine"):
        return cosine_text(value)
    return f"{'≤' if bar.measure in LESS else '≥'} {value:g}"


def bar_row(results, bar):
    """The bar's line, or None where nothing of it was measured."""
    values = [ratio(results, bar, t) for t in results["threads"]]
    if all(value is None for value in values):
        return None
    show = cosine_text if bar.peer is None else "{:.2f}".format
    peer = next((e for e in ENGINES if e.key == bar.peer), None)
    return [
        bar.dtype, WORDS[bar.measure],
        f"{peer.name} {peer.dtype}" if peer else "sentence-transformers f32",
        *("–" if value is None else f"{show(value)} ({verdict(bar, value)})"
          for value in values),
        mark_text(bar, bar.least), mark_text(bar, bar.goal),
    ]


def bars_table(results):
    titles = ["Remora", "figure", "beside", *(
        f"{t} thread{'s' if t > 1 else ''}" for t in results["threads"]
    ), "least", "goal"]
    rows = filter(None, (bar_row(results, bar) for bar in BARS))
    return grid(titles, list(rows))


def absences(results):
    """A line for each engine that was asked for and did not run."""
    return [
        f"- {engine.name} {engine.dtype}: {why}."
        for engine in ENGINES
        if (why := results["engines"].get(engine.key, {}).get("absent"))
    ]


def machine_text(machine):
    caches = ", ".join(f"{k} {v}" for k, v in machine["caches"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {caches}, "
        f"{machine['memory_gb']} GB; {' '.join(machine['flags'])}; "
        f"{machine['system']}"
    )


def versions_text(results):
    found = {}
    for engine in ENGINES:
        version = results["engines"].get(engine.key, {}).get("version")
        if version:
            found[engine.name] = version
    return ", ".join(f"{name} {version}" for name, version in found.items())


def markdown(results):
    """The whole report."""
    texts = "; ".join(
        f"{name}: {s['texts']:,} texts of {s['tokens'] / s['texts']:.1f} "
        "tokens on average" for name, s in results["series"].items()
    )
    parts = [
        f"{results['model']} with {threads_text(results)}, medians of "
        f"{results['rounds']} interleaved rounds. "
        f"{texts[0].upper()}{texts[1:]}.",
        figures_table(results),
    ]
    if compared(results):
        parts += [
            "Remora's ratio to the engine beside it; tokens/s: more is "
            "better, time and bytes: less is better.",
            bars_table(results),
        ]
    if absences(results):
        parts.append("Not measured:\n\n" + "\n".join(absences(results)))
    parts += [
        f"Machine: {machine_text(results['machine'])}.",
        f"Versions: {versions_text(results)}.",
    ]
    return "\n\n".join(parts) + "\n"
