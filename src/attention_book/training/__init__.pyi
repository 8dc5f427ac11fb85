from .averaging import (
    RecentWeights,
    Weights,
    average_weights,
)
from .batches import (
    Batch,
    Batches,
    require_batches,
)
from .checkpoint import (
    CheckpointFiles,
    describe_model,
    load_checkpoint,
    load_weights,
    no_checkpoints,
    random_states,
    remember,
    require_same,
    restore_random_states,
    save_checkpoint,
    save_weights,
    unwrap,
)
from .export import (
    export_weights,
    round_weights,
)
from .files import (
    atomic_write,
    require_writable,
)
from .label_smoothing import (
    smoothed_cross_entropy,
    smoothed_targets,
    smoothing_floor,
)
from .loop import (
    DevMeasure,
    History,
    fit,
)
from .loss import (
    batch_loss,
    evaluate,
)
from .optimizers import (
    BertAdam,
    OptimizerFactory,
    bert_optimizer,
    clip_each,
    make_optimizer,
)
from .runtime import (
    RunMeter,
    check_seed,
    default_device,
    plain_integer,
    seed_everything,
)
from .schedules import (
    bert_decay,
    halve_every,
    inverse_sqrt_decay,
    linear_decay,
    transformer_peak,
)
from .watch import (
    Watch,
)

__all__ = [
    "Batch",
    "Batches",
    "BertAdam",
    "CheckpointFiles",
    "DevMeasure",
    "History",
    "OptimizerFactory",
    "RecentWeights",
    "RunMeter",
    "Watch",
    "Weights",
    "atomic_write",
    "average_weights",
    "batch_loss",
    "bert_decay",
    "bert_optimizer",
    "check_seed",
    "clip_each",
    "default_device",
    "describe_model",
    "evaluate",
    "export_weights",
    "fit",
    "halve_every",
    "inverse_sqrt_decay",
    "linear_decay",
    "load_checkpoint",
    "load_weights",
    "make_optimizer",
    "no_checkpoints",
    "plain_integer",
    "random_states",
    "remember",
    "require_batches",
    "require_same",
    "require_writable",
    "restore_random_states",
    "round_weights",
    "save_checkpoint",
    "save_weights",
    "seed_everything",
    "smoothed_cross_entropy",
    "smoothed_targets",
    "smoothing_floor",
    "transformer_peak",
    "unwrap",
]
