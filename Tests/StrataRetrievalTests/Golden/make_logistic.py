"""Writes logistic.json: what scikit-learn (1.9) says of a small ordinal problem, for FaithfulnessTests.
Run: python make_logistic.py > logistic.json"""
import json
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(4)
rows = rng.normal(size=(60, 3)).round(3)
latent = rows @ [1.5, -0.7, 0.2] + rng.normal(size=60)
labels = np.digitize(latent, [-0.8, 0.8])
penalty = 2.0
standard = StandardScaler().fit_transform(rows)


def probability(target):
    model = LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=10_000).fit(standard, target)
    return model.predict_proba(standard)[:, 1]


supported, partial = probability(labels == 2), probability(labels >= 1)
print(json.dumps({
    "penalty": penalty, "rows": rows.tolist(), "labels": labels.tolist(),
    "supported": supported.round(6).tolist(), "at_least_partial": partial.round(6).tolist(),
    "auc": roc_auc_score(labels == 2, supported),
    "f1": f1_score(labels == 2, supported > 0.5),
    "balanced_accuracy": balanced_accuracy_score(labels == 2, supported > 0.5),
}))
