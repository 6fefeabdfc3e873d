"""The choices of keys, spelled out where JAX is not imported yet, are those of the code."""

import dataclasses

from dd_al.experiments.settings import DistillSettings, LearnerSettings
from dd_al.learner.optimizers import NAMES
from dd_al.learner.unroll import REMAT


def test_choices_are_those_of_the_code():
    fields = [*dataclasses.fields(DistillSettings), *dataclasses.fields(LearnerSettings)]
    choices = {field.name: field.metadata.get("choices") for field in fields}
    assert choices["remat"] == REMAT and choices["optimizer"] == NAMES
