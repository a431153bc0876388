"""Tables of speed: stages, whole runs, ZeroMQ, long live runs."""

from __future__ import annotations

from typing import Any

from figures_parts import read, table


def zmq() -> str:
    """Rates of raw 1080p frames, as ratios: medians over the rounds of one call."""
    found = read("zmq")
    ipc, tcp = (found[transport]["median_ratio"] for transport in ("ipc", "tcp"))
    rows = [
        [f"{name} / {baseline}", f"{value:.2f}", f"{tcp[name][baseline]:.2f}"]
        for name, ratios in ipc.items()
        for baseline, value in ratios.items()
    ]
    return table(["rate of / rate of", "ipc", "tcp"], rows)


def zmq_live() -> str:
    """The header's cost; ages and losses of live streams."""
    found = read("zmq")
    header, slow, killed = found["header"], found["slow_subscriber"], found["killed_subscribers"]
    age, lost = slow["subscriber"]["age_ms"], sum(one["lost"] for one in killed["others"])
    cost = f"{header['make_and_encode_us']:.0f} / {header['decode_and_check_us']:.0f} us"
    pace = f"30 fps to one that takes 10, {slow['seconds']:.0f} s"
    rows = [
        ["the header of a frame, made / read and checked", cost],
        [f"{pace}: rate of the publisher", f"{slow['publisher']['fps']:.1f} fps"],
        [f"{pace}: age of its frames, median / largest", f"{age['median']:.0f} / {age['max']:.0f} ms"],
        [f"10 subscribers, {killed['size']}, 3 of them killed: frames that the others lost", str(lost)],
    ]
    return table(["", ""], rows)


def soak() -> str:
    """A long live run."""
    found = read("live-soak")
    age, booked = found["age_burnt_in_ms"], found["burnt_in_minus_booked_ms"]
    low, high = found["rss_mb"]
    rows = [
        ["frames per second, in / fused", f"{found['rate_in']:.1f} / {found['rate_out']:.1f}"],
        ["frames in / fused / dropped", f"{found['frames_in']} / {found['frames_out']} / {found['dropped']}"],
        ["preset that held", f"`{found['preset']}`"],
        ["wrong labels, frames out of order", f"{found['wrong_labels']}, {found['out_of_order']}"],
        ["age p50 / p95 / p99, ms", f"{age['p50']:.0f} / {age['p95']:.0f} / {age['p99']:.0f}"],
        ["burnt-in age minus booked age, p99, ms", f"{booked['p99']:.1f}"],
        ["memory, MB; slope, MB per hour", f"{low:.0f} to {high:.0f}; {found['rss_slope_mb_per_hour']:.1f}"],
        [
            "threads, file descriptors",
            " to ".join(map(str, found["threads"])) + ", " + " to ".join(map(str, found["fds"])),
        ],
    ]
    return table(["", f"{found['minutes']:.0f} minutes"], rows)


def live() -> str:
    """What `live` holds with the preset that it chooses."""
    found = read("live")
    rows = [
        [
            name,
            f"{case['seconds'] / 60:.0f}",
            f"`{case['preset']}`" + (", coarser" if case.get("coarse") else ""),
            f"{case['fps_in']:.1f} / {case['fps_out']:.1f}",
            str(case["dropped"]),
            " / ".join(f"{case['age_ms'][p]:.0f}" for p in ("p50", "p95", "p99")),
        ]
        for name, case in found["cases"].items()
    ]
    machine = found["environment"]["machine"].split(", ")[-1]
    head = [f"640x360 at 30, {machine}", "minutes", "preset"]
    return table([*head, "fps in / fused", "dropped", "age p50 / p95 / p99, ms"], rows)


def how_long() -> str:
    """Frames per second from file to file, by size, and the minutes that five minutes of film take."""
    found = read("how-long")
    rates = {(run["size"], run["method"]): run["fps"] for run in found["runs"] if run["output"] == "disk"}
    methods = [
        *(f"streamfuse {preset}" for preset in ("fast", "balanced", "best")),
        "AlignMTB + MergeMertens",
    ]
    cells = []
    for size in dict.fromkeys(size for size, _ in rates):
        known = [rates.get((size, method)) for method in methods]
        cells.append(
            [size, *("-" if fps is None else f"{fps:.1f} ({5 * 24 / fps:.0f} min)" for fps in known)]
        )
    machine = found["calls"][0]["environment"]["machine"]
    head = [name.replace("streamfuse ", "`") + "`" if "streamfuse" in name else name for name in methods]
    return table([f"frames per second ({machine})", *head], cells)


def still_times() -> str:
    """Seconds for two photographs, beside enfuse in the same call."""
    found = read("still-times")
    rows = [
        [
            f"`{method}`" if "still" in method else method,
            f"{seconds:.1f}",
            f"{found['over_enfuse'][method]:.2f}",
        ]
        for method, seconds in found["median_seconds"].items()
    ]
    machine = found["environment"]["machine"]
    return table([f"two JPEG of 12 MP ({machine})", "seconds", "enfuse = 1"], rows)


def one_flow() -> str:
    """What it costs to estimate the flow between two frames once, and the way back by its inverse."""
    rows, found = [], read("video-one-flow")
    for part in found["sets"]:
        for before, after in zip(part["before"], part["after"], strict=True):
            options = part["command"].partition(".mp4 --")[2] or part["command"].partition(".hdr --")[2]
            kept = [word for word in ("flicker", "white-balance", "step") if f"{word} " in options]
            what = ", ".join([f"{before['gap_ev']:.0f} EV", *kept])
            cells = [
                f"{before[name]:.{digits}f} / {after[name]:.{digits}f}" if name in before else "-"
                for name, digits in (("psnr", 2), ("motion_psnr", 2), ("afo_mean", 3), ("epe", 2))
            ]
            kind = "chosen on" if before["clip"] in found["chosen_on"] else "result"
            rows.append([kind, f"`{part['preset']}`", before["clip"], what, *cells])
    head = ["", "preset", "clip", "", "PSNR", "PSNR in motion", "AFo mean", "end-point error"]
    return table(head, rows)


def bench_fusion() -> str:
    """Fusion alone, against OpenCV's Mertens in the same call."""
    rows = read("bench-cpu")["fusion"]
    mertens = {row["call"]: row["cpu_s_per_mp"] for row in rows if row["method"] == "opencv-mertens"}
    cells = [
        [
            row["method"],
            row["size"],
            f"{row['cpu_s_per_mp'] / mertens[row['call']]:.2f}",
            f"{row['peak_mb']:.0f}",
        ]
        for row in rows
    ]
    return table(["", "size", "CPU time per megapixel, MergeMertens = 1", "peak MB"], cells)


def bench_stages() -> str:
    """CPU milliseconds of each stage."""
    rows = read("bench-cpu")["stages"]
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    cells = []
    for preset, size in dict.fromkeys((row["preset"], row["size"]) for row in rows):
        mine = {row["stage"]: row for row in rows if (row["preset"], row["size"]) == (preset, size)}
        cells.append([f"`{preset}`, {size}", *(f"{mine[stage]['cpu_ms']:.1f}" for stage in stages)])
    return table(["CPU ms per frame", *stages], cells)


def bench_profile() -> str:
    """CPU milliseconds by kind of work."""
    kinds = ("codecs", "kernels", "copies", "python")
    cells = [
        [
            f"`{row['preset']}`, {row['size']}",
            *(f"{row[kind]:.1f}" for kind in kinds),
            f"{row['overhead']:.0%}",
        ]
        for row in read("bench-cpu")["profile"]
    ]
    return table(["CPU ms per frame", *kinds, "copies and Python"], cells)


def bench_ratios() -> str:
    """Frame rates of whole runs over those of the baselines, of the processes in brackets, and memory."""
    found = read("bench-cpu")
    rows = found["ratios"]
    names = list(dict.fromkeys(name for row in rows for name in row["over"]))
    peaks = {
        (run["method"], run["call"], run["size"]): run["peak_mb"]
        for run in found["runs"]
        if run["output"] == "disk"
    }
    cells = [
        [
            f"{row['method']}, {row['size']}",
            *(_over(row, name) for name in names),
            f"{peaks[row['method'], row['call'], row['size']]:.0f}",
        ]
        for row in rows
    ]
    return table(["frame rate over that of", *names, "peak MB"], cells)


def _over(row: dict[str, Any], name: str) -> str:
    """Give a rate over that of a baseline, and in brackets the same with start and end of the process."""
    if name not in row["over"]:
        return "-"
    whole = row.get("whole", {}).get(name)
    return f"{row['over'][name]:.2f}" + ("" if whole is None else f" ({whole:.2f})")


def bench_cores() -> str:
    """Predicted rates on many cores, over that on one, and what limits them."""
    rows = read("bench-cores")["cores"]
    counts = list(rows[0]["fps"])
    cells = [
        [
            f"`{row['preset']}`, {row['size']}",
            *(f"{row['fps'][n]:.0f} ({row['fps'][n] / row['fps']['1']:.1f}x)" for n in counts),
            next(
                (f"the {row['limit'][n]}, from {n} cores on" for n in counts if row["limit"][n] != "cores"),
                "cores",
            ),
            ", ".join(f"{n}: {fps:.1f}" for n, fps in row["measured_fps"].items()),
        ]
        for row in rows
    ]
    return table(["frames per second on cores:", *counts, "limit", "measured"], cells)


def bench_parts() -> str:
    """What the prediction is made from."""
    rows = read("bench-cores")["cores"]
    cells = [
        [
            f"`{row['preset']}`",
            *(
                f"{part['cpu_ms']:.1f} / {part['own_ms']:.1f} / {part['held_ms']:.2f}"
                for part in row["parts"].values()
            ),
        ]
        for row in rows
    ]
    return table(["ms per frame: all threads / its own / interpreter held", *rows[0]["parts"]], cells)
