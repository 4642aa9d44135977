"""The pipeline on one screen: eight stages, in order."""

from mcu.contract import Stage
from mcu.stages.album import album
from mcu.stages.align import align
from mcu.stages.commonsense import commonsense
from mcu.stages.dialogue import dialogue
from mcu.stages.events import events
from mcu.stages.face import face
from mcu.stages.narrative import narrative
from mcu.stages.persona import persona

STAGES: tuple[Stage, ...] = (
    persona,
    face,
    commonsense,
    narrative,
    events,
    album,
    dialogue,
    align,
)
