"""Addresses of the REST interface; every one of them is in the permission table of the tests."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import cache_page
from drf_spectacular.views import SpectacularAPIView

from earmark.api import (
    calibrating,
    comparing,
    corpus,
    cutting,
    datasets,
    imports,
    jobs,
    listening,
    promoting,
    recognition,
    resumable,
    rounds,
    sign_in,
    training,
    transcriptions,
)

app_name = "api"
SCHEMA_KEPT_SECONDS = 3600

of_a_collection: list[URLPattern] = [
    path("", corpus.OneCollection.as_view(), name="collection"),
    path("status/", corpus.CollectionStatus.as_view(), name="collection-status"),
    path("imports/", imports.Imports.as_view(), name="imports"),
    path("imports/server/", imports.ImportsFromServer.as_view(), name="imports-server"),
    path("uploads/", resumable.Uploads.as_view(), name="uploads"),
    path("uploads/import/", resumable.UploadsImport.as_view(), name="uploads-import"),
    path("recordings/", corpus.Recordings.as_view(), name="recordings"),
    path("clips/", corpus.Clips.as_view(), name="clips"),
    path("gate/", cutting.CollectionGate.as_view(), name="gate"),
    path("recut/", cutting.Recut.as_view(), name="recut"),
    path("hypotheses/", corpus.Hypotheses.as_view(), name="hypotheses"),
    path("references/", corpus.References.as_view(), name="references"),
    path("transcriptions/", transcriptions.Transcriptions.as_view(), name="transcriptions"),
    path("rounds/", rounds.Rounds.as_view(), name="rounds"),
    path("annotations/", rounds.Annotations.as_view(), name="annotations"),
    path("snapshots/", datasets.Snapshots.as_view(), name="snapshots"),
    path("exports/", datasets.Exports.as_view(), name="exports"),
    path("training-jobs/", training.TrainingJobs.as_view(), name="training-jobs"),
    path("training-jobs/dry-run/", training.TrainingDryRun.as_view(), name="training-dry-run"),
    path("evaluations/", training.Evaluations.as_view(), name="evaluations"),
    path("calibrations/", calibrating.Calibrations.as_view(), name="calibrations"),
    path("calibration/", calibrating.ChampionCalibration.as_view(), name="calibration"),
    path("comparisons/", comparing.Comparisons.as_view(), name="comparisons"),
    path("aliases/", recognition.Aliases.as_view(), name="aliases"),
    path("promotions/", promoting.Promotions.as_view(), name="promotions"),
    path("promotions/roll-back/", promoting.RollBack.as_view(), name="roll-back"),
    path("challenger/", promoting.Challenger.as_view(), name="challenger"),
    path("listenings/", listening.Listenings.as_view(), name="listenings"),
    path("jobs/", jobs.Jobs.as_view(), name="jobs"),
]

version_1: list[URLPattern | URLResolver] = [
    path("auth/token/", sign_in.TokenView.as_view(), name="token"),
    path("me/", sign_in.MeView.as_view(), name="me"),
    path("collections/", corpus.Collections.as_view(), name="collections"),
    path("collections/<slug:slug>/", include(of_a_collection)),
    path("imports/<int:pk>/", imports.OneImport.as_view(), name="import"),
    path("imports/<int:pk>/files/", imports.ImportFiles.as_view(), name="import-files"),
    path("imports/<int:pk>/retry/", imports.ImportRetry.as_view(), name="import-retry"),
    path("imports/<int:pk>/undo/", imports.ImportUndo.as_view(), name="import-undo"),
    path("uploads/<uuid:pk>/", resumable.OneUpload.as_view(), name="upload"),
    path("recordings/<int:pk>/", corpus.OneRecording.as_view(), name="recording"),
    path("clips/<int:pk>/", corpus.OneClip.as_view(), name="clip"),
    path("clips/<int:pk>/fitness/", cutting.ClipFitness.as_view(), name="clip-fitness"),
    path("models/", recognition.Models.as_view(), name="models"),
    path("models/<int:pk>/", recognition.OneModel.as_view(), name="model"),
    path("comparisons/<int:pk>/", comparing.OneComparison.as_view(), name="comparison"),
    path(
        "comparisons/<int:pk>/markdown/",
        comparing.ComparisonMarkdown.as_view(),
        name="comparison-markdown",
    ),
    path("rounds/<int:pk>/", rounds.OneRound.as_view(), name="round"),
    path("rounds/<int:pk>/clips/", rounds.RoundClips.as_view(), name="round-clips"),
    path("rounds/<int:pk>/annotations/", rounds.RoundAnnotations.as_view(), name="round-annotations"),
    path("rounds/<int:pk>/sync/", rounds.RoundSync.as_view(), name="round-sync"),
    path("rounds/<int:pk>/close/", rounds.RoundClose.as_view(), name="round-close"),
    path("snapshots/<int:pk>/", datasets.OneSnapshot.as_view(), name="snapshot"),
    path("snapshots/<int:pk>/items/", datasets.SnapshotItems.as_view(), name="snapshot-items"),
    path("exports/<int:pk>/", datasets.OneExport.as_view(), name="export"),
    path("exports/<int:pk>/download/", datasets.ExportDownload.as_view(), name="export-download"),
    path("training-jobs/<int:pk>/", training.OneTrainingJob.as_view(), name="training-job"),
    path("training-jobs/<int:pk>/metrics/", training.TrainingMetrics.as_view(), name="training-metrics"),
    path("training-jobs/<int:pk>/cancel/", training.TrainingCancel.as_view(), name="training-cancel"),
    path("training-jobs/<int:pk>/retry/", training.TrainingRetry.as_view(), name="training-retry"),
    path("training-jobs/<int:pk>/log/", training.TrainingLog.as_view(), name="training-log"),
    path("listenings/<uuid:key>/", listening.OneListening.as_view(), name="listening"),
    path("transcriptions/<int:pk>/", transcriptions.OneTranscription.as_view(), name="transcription"),
    path(
        "transcriptions/<int:pk>/cancel/",
        transcriptions.TranscriptionCancel.as_view(),
        name="transcription-cancel",
    ),
    path("jobs/<int:pk>/", jobs.OneJob.as_view(), name="job"),
    path("jobs/<int:pk>/cancel/", jobs.JobCancel.as_view(), name="job-cancel"),
]

urlpatterns = [
    path("schema/", cache_page(SCHEMA_KEPT_SECONDS)(SpectacularAPIView.as_view()), name="schema"),
    path("v1/", include(version_1)),
]
