"""Put the parts together by hand: source, stages and sink, with as many threads as the machine has CPUs."""

import sys

from streamfuse import Pipeline, open_sink, open_source
from streamfuse.config import load_config
from streamfuse.runtime.chain import chain_of_run


def main(clip: str, out: str) -> int:
    config = load_config("fast").with_overrides(align="global")
    with open_source(clip) as source:
        chain = chain_of_run(config, source.info)
        with open_sink(out, source.info, overwrite=True) as sink:
            statistics = Pipeline(source, chain.line, [sink], threads=chain.threads).run()
    found = chain.front.classifier.report  # None if there was no frame
    order = found.order if found else ()
    print(f"{statistics.frames_out} frames, {order}, slowest: {statistics.bottleneck}")
    return statistics.frames_out


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["sample:?frames=8&size=320x180", "own.mkv"]))
