"""A run, whatever it is of: a source, the line of stages that its items go through, and what takes what comes out.

A file, a part of one in a batch, what is relayed between programs and a session of a live run are all jobs; what
differs is who opens the parts and what is told at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Generic, Self, TypedDict, TypeVar, Unpack

from streamfuse.config import Config
from streamfuse.core.frame import Frame, FusedFrame
from streamfuse.core.protocols import Drain, Feed, Sink, Source, SourceInfo
from streamfuse.core.queue import Policy, Queue
from streamfuse.exposure.classifier import ClassificationReport
from streamfuse.runtime import hdr_output
from streamfuse.runtime.bracket_queue import BracketQueue, brackets_that_wait
from streamfuse.runtime.chain import Chain, Finish, chain_of_run
from streamfuse.runtime.findings import contradictions, damage
from streamfuse.runtime.line import Line
from streamfuse.runtime.pipeline import Pipeline
from streamfuse.runtime.statistics import Statistics

Item = TypeVar("Item")
Out = TypeVar("Out")

_FRAMES_THAT_WAIT = 16  # for their label, of a live source: they are read faster than they come

OpenSinks = Callable[[SourceInfo], Sequence[Sink]]


class JobOptions(TypedDict, total=False):
    """How a job runs; as `Pipeline` takes them."""

    queue_size: int
    policy: Policy
    on_progress: Callable[[Statistics], None] | None
    stop_timeout: float
    finish_timeout: float
    threads: int | None
    whole: bool


class Job(Generic[Item, Out]):
    """A run that can be stopped, asked how far it is, and asked what its parts have to tell. It runs once.

    Args:
        source: closed at the end.
        line: takes what the source gives; `Line.empty()` passes it on as it is.
        sinks: each takes all that the line gives; closed at the end.
        options: as `Pipeline` takes them.
    """

    def __init__(
        self,
        source: Feed[Item],
        line: Line[Item, Out],
        sinks: Sequence[Drain[Out]],
        **options: Unpack[JobOptions],
    ) -> None:
        self.source = source
        self.sinks = tuple(sinks)
        self._stopped = False
        self._pipeline = Pipeline(source, line, sinks, **options)

    def run(self) -> Statistics:
        """Run to the end, to an interrupt, to `stop`, or to the first error.

        Raises:
            BaseException: the first error, as `Pipeline.run` raises it.
        """
        return self._pipeline.run()

    def stop(self) -> None:
        """End soon and cleanly, from any thread or a signal handler."""
        self._stopped = True
        self._pipeline.stop()

    @property
    def interrupted(self) -> bool:
        """Tell whether it was ended before its source had ended, by `stop` or a KeyboardInterrupt."""
        return self._stopped or self._pipeline.statistics.interrupted

    @property
    def statistics(self) -> Statistics:
        """Give the figures of this moment, from any thread."""
        return self._pipeline.statistics

    @property
    def outputs(self) -> tuple[str, ...]:
        """Give what the sinks write: files, folders or addresses."""
        return tuple(name for sink in self.sinks for name in sink.outputs)

    @property
    def notes(self) -> tuple[str, ...]:
        """Give what was done to the pictures before they were fused, a sentence each."""
        return self.source.report().notes

    @property
    def warnings(self) -> tuple[str, ...]:
        """Give what the source and the sinks have to say, a sentence each."""
        told = (self.source.report().warnings, *(sink.report().warnings for sink in self.sinks))
        return tuple(sentence for sentences in told for sentence in sentences)


class FusionJob(Job[Frame, FusedFrame]):
    """A job in which frames are fused.

    Where those that come too fast are dropped (`policy`), they are so as whole brackets before they are fused, and few
    are on their way: what comes out stays young, and no label goes wrong.

    Args:
        source, sinks, options: as of a `Job`.
        chain: as `chain_of_run` builds it for this source.
        config: what it was built from.

    Attributes:
        chain: knows what was found of the exposures.
        info: what the source knows of itself.
    """

    def __init__(
        self,
        source: Source,
        chain: Chain,
        sinks: Sequence[Sink],
        config: Config,
        **options: Unpack[JobOptions],
    ) -> None:
        options.setdefault("threads", chain.threads)
        line = chain.line
        if options.get("policy", "wait") != "wait":
            unit = 1 if source.info.simultaneous > 1 or config.input.rate == "half" else None
            rate = float(source.info.rate) / source.info.simultaneous
            fuse = BracketQueue(brackets_that_wait(rate, unit or config.input.cycle or 2), unit)
            label = Queue[Frame](_FRAMES_THAT_WAIT, options["policy"])
            line = chain.front.line.behind(label).followed_by(chain.fusion.behind(fuse))
            options["queue_size"] = 1
        super().__init__(source, line, sinks, **options)
        self.chain = chain
        self.info = source.info
        self._source = source
        self._config = config

    @classmethod
    def opened(
        cls,
        source: Source,
        config: Config,
        open_sinks: OpenSinks,
        finish: Sequence[Finish] = (),
        **options: Unpack[JobOptions],
    ) -> Self:
        """Build the chain for a source, and then open the sinks; what is open is closed again if one of them fails.

        Args:
            source: what gives the frames.
            config: the settings.
            open_sinks: is called with what the source knows of itself.
            finish: as `build_chain` takes them.
            **options: as of a `Job`.

        Raises:
            StreamfuseError: as the message says.
        """
        with ExitStack() as opened:
            opened.enter_context(source)
            hdr_output.check_source(source.info, config)
            chain = chain_of_run(config, source.info, finish)
            sinks = [opened.enter_context(sink) for sink in open_sinks(source.info)]
            job = cls(source, chain, sinks, config, **options)
            opened.pop_all()
        return job

    @property
    def found(self) -> ClassificationReport | None:
        """Give what was found of the exposures; None before that."""
        return self.chain.front.classifier.report

    def findings(self, *, whole: bool = True) -> tuple[str, ...]:
        """Tell, at the end, what source and sinks have to say, what was lost, and what contradicts the settings.

        Args:
            whole: the source was to be read to its end; False: fewer frames than it promises are not missing.
        """
        lost = damage(self._source, self.statistics.frames_in, whole=whole and not self.interrupted)
        wrong = contradictions(self.found, self._config.input) if self.found else ()
        return (*self.warnings, *lost, *wrong)
