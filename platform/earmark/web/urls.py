"""Addresses of the pages. Everything about a collection lies below its short name."""

from django.urls import include, path

from earmark.web import sign_in
from earmark.web.views import (
    clip,
    clips,
    corpus,
    cutting,
    data,
    home,
    imports,
    jobs,
    listen,
    models,
    people,
    progress,
    rounds,
    trainings,
)

app_name = "web"

in_collection = [
    path("", home.collection, name="collection"),
    path("transcribe/", home.transcribe, name="transcribe"),
    path("freeze/", home.freeze, name="freeze"),
    path("corpus/", corpus.corpus, name="corpus"),
    path("gate/", cutting.gate, name="gate"),
    path("gate/preview/", cutting.gate_preview, name="gate_preview"),
    path("recut/", cutting.recut, name="recut"),
    path("recordings/", corpus.recordings, name="recordings"),
    path("clips/", clips.clips, name="clips"),
    path("clips/speakers/", clips.speakers, name="speakers"),
    path("clips/<int:pk>/", clip.clip, name="clip"),
    path("clips/<int:pk>/fitness/", clip.fitness_set, name="fitness_set"),
    path("clips/<int:pk>/reference/", clips.reference_set, name="reference_set"),
    path("rounds/", rounds.rounds, name="rounds"),
    path("rounds/new/", rounds.round_new, name="round_new"),
    path("rounds/<int:number>/", rounds.round_page, name="round"),
    path("rounds/<int:number>/sync/", rounds.round_sync, name="round_sync"),
    path("rounds/<int:number>/close/", rounds.round_close, name="round_close"),
    path("trainings/", trainings.trainings, name="trainings"),
    path("trainings/launch/", trainings.training_launch, name="training_launch"),
    path("trainings/<int:pk>/", trainings.training, name="training"),
    path("trainings/<int:pk>/metrics/", trainings.training_metrics, name="training_metrics"),
    path("trainings/<int:pk>/cancel/", trainings.training_cancel, name="training_cancel"),
    path("models/", models.models, name="models"),
    path("models/<int:pk>/", models.model, name="model"),
    path("models/<int:pk>/promote/", models.model_promote, name="model_promote"),
    path("models/<int:pk>/evaluate/", models.model_evaluate, name="model_evaluate"),
    path("listen/", listen.listen, name="listen"),
    path("progress/", progress.progress, name="progress"),
    path("progress/confidence/", progress.progress_confidence, name="progress_confidence"),
    path("imports/", imports.imports, name="imports"),
    path("imports/server/", imports.import_server, name="import_server"),
    path("imports/<int:pk>/", imports.import_page, name="import"),
    path("imports/<int:pk>/retry/", imports.import_retry, name="import_retry"),
    path("imports/<int:pk>/undo/", imports.import_undo, name="import_undo"),
    path("snapshots/", data.snapshots, name="snapshots"),
    path("snapshots/take/", data.snapshot_take, name="snapshot_take"),
    path("snapshots/<int:pk>/export/", data.export_request, name="export_request"),
    path("exports/<int:pk>/", data.export_download, name="export_download"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<int:pk>/", jobs.job, name="job"),
    path("jobs/<int:pk>/cancel/", jobs.job_cancel, name="job_cancel"),
    path("people/", people.people, name="people"),
    path("people/<int:pk>/remove/", people.person_remove, name="person_remove"),
    path("people/set/", people.person_set, name="person_set"),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("sign-in/", sign_in.SignIn.as_view(), name="login"),
    path("sign-out/", sign_in.SignOut.as_view(), name="logout"),
    path("collections/new/", home.collection_new, name="collection_new"),
    path("c/<slug:slug>/", include(in_collection)),
]
