"""The derived tasks, in order: what is made from a finished run beyond the eight stages."""

from mcu.contract import Stage
from mcu.derive import Task
from mcu.stages.derive.coref import TASK as COREF
from mcu.stages.derive.image_choice_refine import TASK as IMAGE_CHOICE_REFINE
from mcu.stages.derive.image_recall import TASK as IMAGE_RECALL
from mcu.stages.derive.multi_image_qa import TASK as MULTI_IMAGE_QA
from mcu.stages.derive.summary import TASK as SUMMARY
from mcu.stages.derive.timeline_order import TASK as TIMELINE_ORDER
from mcu.stages.derive.timeline_qa import TASK as TIMELINE_QA

TASKS: tuple[Task, ...] = (
    SUMMARY,
    COREF,
    TIMELINE_ORDER,
    IMAGE_RECALL,
    TIMELINE_QA,
    IMAGE_CHOICE_REFINE,
    MULTI_IMAGE_QA,
)
FURTHER: tuple[Stage, ...] = tuple(
    sorted({stage for task in TASKS for stage in task.stages}, key=lambda stage: stage.number)
)
