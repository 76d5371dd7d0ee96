# SPDX-License-Identifier: GPL-2.0
"""A live update as a table and as a picture."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)

MEANING = {
    "freeze": "state checked and sealed",
    "shutdown": "old kernel stops; tables switched",
    "kexec": "jump, unpacking of the new kernel",
    "early boot": "new kernel up to its IOMMU",
    "adopt": "tables taken over, not rewritten",
    "probe": "restored domain attached, drivers",
    "start of userspace": "from /init to the session",
    "retrieve": "memory, iommufd, device handed back",
    "bind": "device bound to the iommufd",
    "rebuild": "new page tables over the same memory",
    "hotswap": "new tables replace the restored ones",
    "finish": "session closed, old tables freed",
}


def _ms(seconds):
    return "%.1f ms" % (seconds * 1e3) if seconds < 10 else "%.1f s" % seconds


def table(run, card=0):
    """Lines of the table that a demonstration ends with."""
    res = run.results[card]
    out = ["", "%-22s%10s" % ("frames sent", len(res.sent)),
           "%-22s%10s" % ("frames DMAed", len(res.landed)),
           "%-22s%10s" % ("lost", len(res.lost)),
           "%-22s%10s" % ("corrupted", len(res.bad)),
           "%-22s%10s   (one frame every %.1f ms)" % (
               "longest gap, steady", _ms(run.steady_gap(card)), 1e3 / run.config.nics[card].rate)]
    for n, up in enumerate(run.updates):
        which = "" if len(run.updates) == 1 else " %d" % (n + 1)
        out.append("%-22s%10s" % ("longest gap, update" + which,
                                  _ms(res.longest_gap(up.begin, up.end))))
    for n, up in enumerate(run.updates):
        which = "" if len(run.updates) == 1 else " of update %d" % (n + 1)
        out += ["", "%-22s%10s%10s" % ("phase" + which, "time", "frames")]
        for phase, (a, b) in up.phases.items():
            out.append("%-22s%10s%10d   %s" % (phase, _ms(b - a), res.landed_between(a, b),
                                               MEANING.get(phase, "")))
        out.append("%-22s%10s%10d" % ("whole update", _ms(up.end - up.begin),
                                      res.landed_between(up.begin, up.end)))
    return out


def picture(run, stem, card=0, title="Frames DMAed over a live update"):
    """Writes STEM.svg and STEM.png; returns their paths."""
    res = run.results[card]
    up = run.updates[0] if run.updates else None
    zero = up.begin if up else run.begin
    times = [t - zero for t, _ in res.landed]
    sent = [t - zero for t in res.sent]

    fig, (top, low) = plt.subplots(
        2, 1, sharex=True, figsize=(11, 7), height_ratios=(3, 2), layout="constrained")
    top.step(sent, range(1, len(sent) + 1), where="post", color="0.6", lw=1,
             label="sent by the host")
    top.step(times, range(1, len(times) + 1), where="post", color="black", lw=1.6,
             label="landed in guest memory")
    top.set_ylabel("frames")
    gaps = [(b - a) * 1e3 for a, b in zip(times, times[1:])]
    low.plot(times[1:], gaps, ".", ms=3, color="black")
    low.set_yscale("log")
    low.set_ylabel("time since the frame before, ms")
    low.set_xlabel("seconds since the live update began")
    low.axhline(1e3 / run.config.nics[card].rate, color="0.6", lw=1)

    colours = plt.get_cmap("tab20").colors
    handles = []
    for n, update in enumerate(run.updates):
        for i, (phase, (a, b)) in enumerate(update.phases.items()):
            for ax in (top, low):
                span = ax.axvspan(a - zero, b - zero, color=colours[i % 20], alpha=0.35, lw=0)
            if n == 0:
                span.set_label("%s, %s" % (phase, _ms(b - a)))
                handles.append(span)
    if up:
        margin = max(0.5, 0.25 * (up.end - up.begin))
        last = run.updates[-1].end - zero
        low.set_xlim(max(-margin, times[0] if times else 0), last + margin)
        inside = [i for i, t in enumerate(times) if -margin <= t <= last + margin]
        if inside:
            top.set_ylim(inside[0] * 0.98,
                         max(inside[-1], sum(t <= last + margin for t in sent)) * 1.02)
    lines, _ = top.get_legend_handles_labels()
    lines = [h for h in lines if h not in handles]
    top.legend(handles=lines + handles, loc="upper left", bbox_to_anchor=(1.01, 1),
               frameon=False, fontsize=9)
    top.set_title("%s: %d sent, %d lost, %d corrupted"
                  % (title, len(res.sent), len(res.lost), len(res.bad)), loc="left")
    paths = []
    for ext in ("svg", "png"):
        path = stem.with_suffix("." + ext)
        path.parent.mkdir(parents=True, exist_ok=True)
        fig.savefig(path, dpi=120)
        paths.append(path)
    plt.close(fig)
    return paths
