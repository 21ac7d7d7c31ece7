"""Networks and methods written on top of minigrad, one file each."""

from .contrastive_loss import contrastive
from .embedding_health import CollapseWarning, health
from .instance_losses import exemplar_softmax, instance_softmax, instance_softmax_paper, ntxent
from .memory_bank import memory_nce, memory_softmax, nce, remember
from .triplet_loss import triplet
from .triplet_mining import batch_hard, hard, hard_with_random, random_triplets, semi_hard
