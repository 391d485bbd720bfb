"""Slurm, through `submitit`: the attendant is the job; the folder says how it ended, Slurm says whether it vanished."""

from typing import Any

from earmark.speech.errors import EarmarkError
from training_jobs.launchers import attendance
from training_jobs.launchers.launcher import LOST, Handle, Launch

FOLDER = "slurm"
GONE = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "FINISHED", "INTERRUPTED", "NODE_FAIL",
    "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT",
)  # fmt: skip
"""States after which nothing more comes; of an unknown one the attendant's beats tell."""
SILENT_SECONDS = 600.0


class SlurmLauncher:
    """Submits each start as one Slurm job on one node, one task, a GPU for each process.

    `partition`, `minutes`, `memory_gb`, `cpus`, `gpus_per_process`: what is asked of Slurm. `parameters`: more of
    submitit's, such as `{"slurm_account": "speech"}`. `cluster`: submitit's; `local` stands in for Slurm.
    Raises EarmarkError `training:launcher:unavailable` without the package.
    """

    stays = False

    def __init__(
        self,
        *,
        partition: str = "",
        minutes: int = 24 * 60,
        memory_gb: int = 0,
        cpus: int = 4,
        gpus_per_process: int = 1,
        cluster: str = "slurm",
        python: str = "",
        parameters: dict[str, Any] | None = None,
    ) -> None:
        try:
            import submitit
        except ImportError as error:
            raise EarmarkError(
                "training:launcher:unavailable",
                "The Slurm launcher needs the package submitit.",
                "Install earmark[slurm] where the workers run.",
            ) from error
        self._submitit = submitit
        self._cluster = cluster
        self._python = python
        self._gpus_per_process = gpus_per_process
        self._parameters: dict[str, Any] = {
            "timeout_min": minutes,
            "cpus_per_task": cpus,
            "tasks_per_node": 1,
        }
        if memory_gb:
            self._parameters["mem_gb"] = memory_gb
        if cluster == "slurm":
            # the platform itself starts again what was preempted
            self._parameters["slurm_additional_parameters"] = {"no-requeue": True}
            if partition:
                self._parameters["slurm_partition"] = partition
        self._parameters |= parameters or {}

    def start(self, launch: Launch) -> Handle:
        """Submit it. Raises EarmarkError `training:launcher:failed`."""
        executor = self._submitit.AutoExecutor(folder=launch.folder / FOLDER, cluster=self._cluster)
        gpus = self._gpus_per_process * launch.processes
        named = {"name": f"earmark-{launch.folder.name}", **({"gpus_per_node": gpus} if gpus else {})}
        executor.update_parameters(**named, **self._parameters)
        arguments = attendance.command(launch, python=self._python)
        try:
            job = executor.submit(self._submitit.helpers.CommandFunction(arguments, verbose=False))
        except (OSError, RuntimeError, self._submitit.core.utils.FailedJobError) as error:
            raise EarmarkError(
                "training:launcher:failed",
                f"Slurm did not take the training: {error}.",
                "Whoever runs the platform checks EARMARK_LAUNCHER_OPTIONS; then retry the training.",
            ) from error
        return {"cluster": self._cluster, "job": job.job_id}

    def poll(self, launch: Launch, handle: Handle) -> int | None:
        """By what the attendant writes; where Slurm says it is over and the attendant did not, it is lost."""
        code = attendance.code_of(launch, handle, silent_seconds=SILENT_SECONDS)
        if code is not None:
            return code
        state = self._job(launch, handle).state.split()[0].rstrip("+")
        if state not in GONE:
            return None
        code = attendance.code_of(launch, handle, silent_seconds=SILENT_SECONDS)
        return LOST if code is None else code

    def stop(self, launch: Launch, handle: Handle, *, hard: bool) -> None:
        """Word in the folder for the attendant; `hard`: scancel as well."""
        attendance.ask_to_stop(launch, hard=hard)
        is_known = "job" in handle  # not where a worker died between submitting and writing down
        if is_known and (hard or attendance.read(launch.folder, launch.number) is None):
            self._job(launch, handle).cancel(check=False)

    def leave(self, handle: Handle) -> None:
        """It goes on without any worker."""

    def _job(self, launch: Launch, handle: Handle) -> Any:
        kind = {"slurm": self._submitit.SlurmJob, "local": self._submitit.LocalJob}[handle["cluster"]]
        return kind(folder=launch.folder / FOLDER, job_id=handle["job"])
