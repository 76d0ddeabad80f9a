"""The trials of ``benchmarks/systems.py`` run by other systems, in an environment of their own.

``python benchmarks/common/others.py SYSTEM TRIALS`` prints milliseconds a trial, from the end of the first
trial to that of the last, without what a system needs to start.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

AT_ONCE = 2


def score(rate: float) -> float:
    """What a trial is worth: its learning rate's alone."""
    return math.exp(-((math.log10(rate) + 2) ** 2))


def optimize(trials: int) -> Sequence[float]:
    """Optuna's own loop, one trial after the other, on SQLite as Optuna opens it."""
    import optuna

    with tempfile.TemporaryDirectory() as name:
        study = optuna.create_study(
            storage=f"sqlite:///{name}/plain.db", direction="maximize", sampler=_tpe()
        )
        ends: list[float] = []
        study.optimize(_objective, trials, callbacks=[lambda _study, _trial: ends.append(time.time())])
        return ends


def dask_storage(trials: int) -> Sequence[float]:
    """Optuna's DaskStorage, in the scheduler's memory, on two threads of a Dask worker."""
    import optuna
    from distributed import Client, LocalCluster, wait
    from optuna_integration.dask import DaskStorage

    with (
        LocalCluster(
            n_workers=1, threads_per_worker=AT_ONCE, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        study = optuna.create_study(storage=DaskStorage(), direction="maximize", sampler=_tpe())
        futures = [client.submit(study.optimize, _objective, n_trials=1, pure=False) for _ in range(trials)]
        wait(futures)
        return [trial.datetime_complete.timestamp() for trial in study.trials if trial.datetime_complete]


def ray_tune(trials: int) -> Sequence[float]:
    """Ray Tune with Optuna's TPE, two trials at once on actors that are used again."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    import ray
    from ray import tune
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    class Trial(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.rate = config["learning_rate"]

        def step(self) -> dict[str, Any]:
            return {"score": score(self.rate), "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
            del checkpoint_dir
            return {}

        def load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            """Nothing was kept."""

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.rate = new_config["learning_rate"]
            return True

    ends: list[float] = []

    class Ends(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            del iteration, trials, trial, info
            ends.append(time.time())

    ray.init(num_cpus=AT_ONCE, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    space = {
        "initialisation": tune.choice(["glorot_uniform", "he_normal", "truncated_normal"]),
        "learning_rate": tune.loguniform(1e-4, 1.0),
        "batch_size": tune.choice([32, 64, 128, 256]),
    }
    with tempfile.TemporaryDirectory() as name:
        searcher = ConcurrencyLimiter(OptunaSearch(metric="score", mode="max"), AT_ONCE)
        tuner = tune.Tuner(
            Trial,
            param_space=space,
            tune_config=tune.TuneConfig(
                search_alg=searcher, metric="score", mode="max", num_samples=trials, reuse_actors=True
            ),
            run_config=tune.RunConfig(storage_path=name, verbose=0, callbacks=[Ends()]),
        )
        tuner.fit()
    return ends


def _objective(trial: Any) -> float:
    trial.suggest_categorical("initialisation", ["glorot_uniform", "he_normal", "truncated_normal"])
    trial.suggest_categorical("batch_size", [32, 64, 128, 256])
    return score(trial.suggest_float("learning_rate", 1e-4, 1.0, log=True))


def _tpe() -> Any:
    import warnings

    import optuna

    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.samplers.TPESampler(seed=1, multivariate=True, group=True)


SYSTEMS = {"optimize": optimize, "dask-storage": dask_storage, "ray-tune": ray_tune}

if __name__ == "__main__":
    ends = sorted(SYSTEMS[sys.argv[1]](int(sys.argv[2])))
    print(1000 * (ends[-1] - ends[0]) / (len(ends) - 1))
