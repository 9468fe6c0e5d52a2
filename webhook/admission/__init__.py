"""The webhook server: AdmissionReviews in, verdicts out."""
