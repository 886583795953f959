"""scikit-learn's classification_report, byte for byte, and the values printed in it.

The input of a case is its confusion matrix (rows true, columns predicted): count (i, j) stands
for that many samples of class i predicted as j.
"""

import argparse
import json
import warnings

import numpy as np
from golden import FOLDER
from sklearn.metrics import balanced_accuracy_score, classification_report

STUDY = ["with_mask", "without_mask", "mask_weared_incorrect"]
SIX = [
    "a",
    "a class with spaces",
    "Ärger",
    "label_number_four_which_is_very_long_indeed",
    "5",
    "sixth",
]

CASES = {
    "study_baseline": (STUDY, [[180, 216, 75], [121, 274, 89], [125, 110, 265]]),
    "study_finetune": (STUDY, [[348, 60, 63], [128, 289, 67], [51, 33, 416]]),
    "perfect": (STUDY, [[471, 0, 0], [0, 484, 0], [0, 0, 500]]),
    "all_wrong": (STUDY, [[0, 4, 0], [0, 0, 5], [6, 0, 0]]),
    "never_predicted": (STUDY, [[10, 5, 0], [3, 12, 0], [2, 6, 0]]),
    "always_the_same": (STUDY, [[471, 0, 0], [484, 0, 0], [500, 0, 0]]),
    "no_support": (STUDY, [[7, 2, 1], [3, 8, 0], [0, 0, 0]]),
    "no_support_never_predicted": (STUDY, [[7, 3, 0], [3, 8, 0], [0, 0, 0]]),
    "one_sample": (STUDY, [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
    "two_classes": (["no", "yes"], [[91, 9], [22, 78]]),
    "one_class": (["only"], [[5]]),
    "short_names": (["0", "1", "2"], [[1, 0, 1], [0, 2, 0], [1, 1, 1]]),
    "six_classes": (
        SIX,
        [
            [50, 1, 2, 3, 4, 5],
            [1, 20, 0, 7, 0, 2],
            [0, 0, 0, 0, 0, 1],
            [9, 8, 7, 66, 5, 4],
            [3, 1, 4, 1, 5, 9],
            [2, 7, 1, 8, 2, 81],
        ],
    ),
    "big_supports": (["cat", "dog"], [[1234567, 89012], [345678, 9012345]]),
    # Shares such as 0.125 and 0.375 lie exactly between two printed values.
    "halves": (["eighth", "rest"], [[1, 7], [7, 1]]),
    "halves_of_many": (["a", "b", "c"], [[5, 35, 0], [0, 25, 15], [35, 0, 5]]),
}


def describe(classes, confusion):
    counts = np.ravel(confusion)
    true, predicted = (np.repeat(i.ravel(), counts) for i in np.indices(np.shape(confusion)))
    every = range(len(classes))
    arguments = {"labels": every, "target_names": classes}
    text = classification_report(true, predicted, **arguments)
    values = classification_report(true, predicted, **arguments, output_dict=True)
    names = ("precision", "recall", "f1-score", "support")
    return {
        "classes": classes,
        "confusion_matrix": confusion,
        "text": text,
        "accuracy": values["accuracy"],
        "balanced_accuracy": balanced_accuracy_score(true, predicted),
        "per_class": [{name: values[label][name] for name in names} for label in classes],
    }


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    warnings.simplefilter("ignore")  # of shares with nothing to divide by
    cases = {name: describe(*case) for name, case in CASES.items()}
    path = FOLDER / "report.json"
    path.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")
