"""Learning: first weights, optimisers, schedules, the training loop, checkpoints, watching."""

from .cells import Cells
from .checkpoint import (
    CheckpointError,
    load_checkpoint,
    remove_leftovers,
    save_checkpoint,
    write_whole,
)
from .folder import FolderInUse, NotSaved, as_csv, note_scores
from .initial import gaussian, glorot, he, uniform
from .optimisers import Adam, Descent, Momentum, count
from .parallel import RankGone, Ranks, started
from .schedules import Plateau, constant, cosine, linear, steps
from .training import Interrupted, NotFinite, train
from .watching import watch
