"""The front end: API and pages. Speaks the verbs of `shared`; knows no torch, no Celery task, no SQL."""
