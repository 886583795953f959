"""numpy's legacy RandomState and what scikit-learn draws with it: resample, train_test_split."""

import argparse

import numpy as np
from golden import save
from sklearn.model_selection import train_test_split
from sklearn.utils import resample

CLASS_SIZES = (3232, 717, 123)  # of the mask-detection study


def random_state(tensors):
    for seed in (0, 1, 42, 2**32 - 1):
        for bound in (1, 2, 3, 7, 100, 717, 3232, 2**31 - 1, 2**32, 2**40):
            draws = np.random.RandomState(seed).randint(0, bound, 20)
            tensors[f"randint/seed_{seed}/bound_{bound}"] = draws.astype(np.int64)
        for size in (1, 2, 5, 100):
            state = np.random.RandomState(seed)
            tensors[f"permutation/seed_{seed}/size_{size}"] = state.permutation(size)
            shuffled = 10 * np.arange(size)
            np.random.RandomState(seed).shuffle(shuffled)
            tensors[f"shuffle/seed_{seed}/size_{size}"] = shuffled
    # One state through several calls: each must consume exactly numpy's number of draws.
    state = np.random.RandomState(7)
    tensors["sequence/seed_7"] = np.concatenate(
        [
            state.randint(0, 10, 5),
            state.permutation(7),
            state.randint(0, 2**40, 3),
            state.randint(0, 3, 4),
            state.permutation(4),
            state.randint(0, 1, 2),
            state.randint(0, 1000, 5),
        ]
    ).astype(np.int64)


def scikit_learn(tensors):
    for seed in (0, 1, 2, 42):
        for size, count in ((1, 4), (5, 5), (7, 20), (123, 50)):
            drawn = resample(np.arange(size), replace=True, n_samples=count, random_state=seed)
            tensors[f"resample/seed_{seed}/from_{size}_to_{count}"] = drawn
        for size in (2, 3, 10, 11, 97):
            for share in (0.3, 0.5):
                train, test = train_test_split(
                    np.arange(size), test_size=share, random_state=seed
                )
                name = f"split/seed_{seed}/size_{size}/test_{share}"
                tensors[f"{name}/train"], tensors[f"{name}/test"] = train, test


def study(tensors):
    for seed in (1, 2):
        for k, size in enumerate(CLASS_SIZES):
            tensors[f"study/seed_{seed}/resample/class_{k}"] = resample(
                np.arange(size), replace=True, n_samples=max(CLASS_SIZES), random_state=seed
            )
    rows = np.arange(len(CLASS_SIZES) * max(CLASS_SIZES))
    train, rest = train_test_split(rows, test_size=0.3, random_state=42)
    validation, test = train_test_split(rest, test_size=0.5, random_state=42)
    labels = rows // max(CLASS_SIZES)
    assert (len(train), len(validation), len(test)) == (6787, 1454, 1455)
    assert np.bincount(labels[test]).tolist() == [471, 484, 500]
    tensors["study/train"] = train
    tensors["study/validation"] = validation
    tensors["study/test"] = test


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    values = {}
    random_state(values)
    scikit_learn(values)
    study(values)
    save("sampling", values, {name: "equal" for name in values})
