"""What was found of an input that its user should know: damage, contradictions, photographs taken for a film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamfuse.config import InputConfig
from streamfuse.core.protocols import Source
from streamfuse.exposure.classifier import MAX_BRACKET, ClassificationReport
from streamfuse.imaging.coded import is_picture


def damage(source: Source, frames_in: int, whole: bool) -> list[str]:
    """Give sentences on what the input has lost; `whole`: it was read to its end."""
    warnings = []
    info, told = source.info, source.report()
    if told.decode_errors:
        warnings.append(
            f"{info.name} is damaged: {told.decode_errors} of its packets or pictures could not be decoded."
        )
    # Some headers give only a duration, so a few frames less are no evidence.
    if (
        whole
        and info.count_promised
        and info.frame_count is not None
        and frames_in + 2 < 0.97 * info.frame_count
    ):
        warnings.append(
            f"{info.name} promises {info.frame_count} frames and gave {frames_in}: it is cut off or damaged."
        )
    if told.left_over:
        have = "1 frame has" if told.left_over == 1 else f"{told.left_over} frames have"
        warnings.append(
            f"{info.name}: {have} no partner of the same instant in the other files, and nothing was fused there."
        )
    return warnings


def contradictions(found: ClassificationReport, asked: InputConfig) -> list[str]:
    """Give sentences on where the frames say something else than what was asked for or told, and what was believed."""
    told = []
    if found.first_wrong:
        told.append(
            f"--first {asked.first} is not what the frames show: the first one is {found.order[0]}-exposed, and that "
            "was believed (--first decides where frames are too dark or too alike to tell)."
        )
    if found.cycle_seen == found.cycle:
        told.append(
            f"--cycle {asked.cycle} is not what the frames show: {found.cycle} exposures were found and used."
        )
    elif found.cycle_seen is not None:
        told.append(
            f"--cycle {asked.cycle} was used, though the frames look like {found.cycle_seen} exposures: leave it out "
            "if frames stay unfused."
        )
    if found.disagreements:
        who = "--exposures" if asked.exposures is not None else "The metadata or the order of the files"
        places = "1 place" if found.disagreements == 1 else f"{found.disagreements} places"
        believed = "the brightness" if found.metadata_dropped else "what was told"
        told.append(
            f"{who} and the brightness of the frames contradict each other in {places}; {believed} was believed."
        )
    return told


def are_few_pictures(inputs: Sequence[str], frames: int) -> bool:
    """Tell whether the input are so few photographs that they may be one bracket."""
    return frames <= MAX_BRACKET and all(Path(name).is_dir() or is_picture(name) for name in inputs)


def one_bracket(inputs: Sequence[str], found: ClassificationReport | None, frames: int) -> list[str]:
    """Photographs that somebody took for a film."""
    if found is None or not found.one_bracket or not are_few_pictures(inputs, frames):
        return []
    return [
        f"{frames} pictures of {frames} exposures: this looks like one bracket. `streamfuse still` fuses it into one "
        "picture."
    ]
