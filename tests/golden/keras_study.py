"""The mask-detection study in Keras: baseline CNN, frozen MobileNetV2, fine-tuned MobileNetV2.

The protocol is the study's own: every class oversampled to the largest, 70/15/15 split with
random_state 42, augmentation in training and in validation, batches of 32, Adam, early stopping
on the validation loss with the best weights restored. Annotations are read in byte order of
their file names. --seed seeds the oversampling, the weights, the dropout, the shuffling and the
augmentation.

    python keras_study.py --data-dir DIR --weights FILE.h5 --seed 2 --output keras_study.json

--output is a JSON file {"seeds": {SEED: run}, "mean": ..., "spread": ...}; the run's entry is
rewritten after every epoch, so an interrupted run leaves what it had.
"""

import argparse
import json
import os
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import keras
import numpy as np
from keras import layers
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.utils import resample

SIDE = 128
BATCH = 32


def read_annotations(folder):
    """Returns (file name, label) of every <object>, files in byte order of their names."""
    rows = []
    for path in sorted(folder.glob("*.xml"), key=lambda p: os.fsencode(p.name)):
        root = ET.parse(path).getroot()
        filename = root.find("filename").text
        rows += [(filename, obj.find("name").text) for obj in root.findall("object")]
    return rows


def oversample(labels, classes, seed):
    """Indices of rows: each class drawn with replacement to the size of the largest one."""
    labels = np.array(labels)
    groups = [np.flatnonzero(labels == name) for name in classes]
    largest = max(len(group) for group in groups)
    return np.concatenate(
        [resample(group, replace=True, n_samples=largest, random_state=seed) for group in groups]
    )


def read_photo(path):
    """The photo as uint8 RGB of SIDE x SIDE, or None with the study's message."""
    if not path.exists():
        print(f"File not found: {path}")
        return None
    image = cv2.imread(str(path))
    if image is None:
        print(f"Unreadable file: {path}")
        return None
    return cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), (SIDE, SIDE))


class Rows:
    """Oversampled rows that share the uint8 pixels of their photo."""

    def __init__(self, data_dir, seed):
        annotations = read_annotations(data_dir / "annotations")
        self.classes = list(dict.fromkeys(label for _, label in annotations))
        names = sorted({name for name, _ in annotations})
        photos = {name: read_photo(data_dir / "images" / name) for name in names}
        kept = [name for name in names if photos[name] is not None]
        position = {name: i for i, name in enumerate(kept)}
        self.photos = np.stack([photos[name] for name in kept])
        chosen = oversample([label for _, label in annotations], self.classes, seed)
        rows = [annotations[i] for i in chosen if annotations[i][0] in position]
        self.photo = np.array([position[name] for name, _ in rows])
        self.label = np.array([self.classes.index(label) for _, label in rows])

    def images(self, rows):
        return (self.photos[self.photo[rows]] / 255.0).astype("float32")

    def one_hot(self, rows):
        return keras.utils.to_categorical(self.label[rows], len(self.classes))


class AugmentedBatches(keras.utils.PyDataset):
    """ImageDataGenerator.flow(...) without a float copy of the whole data set."""

    def __init__(self, rows, indices):
        super().__init__()
        self.rows = rows
        self.indices = indices
        self.generator = ImageDataGenerator(
            rotation_range=25,
            width_shift_range=0.2,
            height_shift_range=0.2,
            zoom_range=0.3,
            shear_range=0.15,
            horizontal_flip=True,
            fill_mode="nearest",
        )
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.indices) // BATCH)

    def __getitem__(self, step):
        chosen = self.order[step * BATCH : (step + 1) * BATCH]
        images = [self.generator.random_transform(x) for x in self.rows.images(chosen)]
        return np.stack(images), self.rows.one_hot(chosen)

    def on_epoch_end(self):
        self.order = np.random.permutation(self.indices)


def baseline_cnn(classes):
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def transfer_model(weights, classes):
    """Returns (base, whole model), the base frozen."""
    base = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(SIDE, SIDE, 3)
    )
    base.load_weights(weights)
    base.trainable = False
    x = layers.GlobalAveragePooling2D()(base.output)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(classes, activation="softmax")(x)
    return base, keras.Model(base.input, x)


class Results:
    """One seed's entry of the output file, and the mean and spread over its seeds."""

    def __init__(self, path, seed, rows, split):
        self.path = path
        self.seed = str(seed)
        self.run = {
            "source": "keras_study.py",
            "keras": keras.__version__,
            "classes": rows.classes,
            "split": dict(zip(("train", "validation", "test"), map(len, split))),
        }

    def write(self):
        whole = json.loads(self.path.read_text()) if self.path.exists() else {"seeds": {}}
        whole["seeds"][self.seed] = self.run
        whole["seeds"] = dict(sorted(whole["seeds"].items(), key=lambda item: int(item[0])))
        whole["mean"], whole["spread"] = {}, {}
        for stage in ("baseline", "frozen", "finetune"):
            runs = [run.get(stage, {}).get("test_accuracy") for run in whole["seeds"].values()]
            values = [value for value in runs if value is not None]
            if values:
                whole["mean"][stage] = round(float(np.mean(values)), 6)
                whole["spread"][stage] = round(float(np.ptp(values)), 6)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(whole, indent=1) + "\n")
        partial.replace(self.path)


def train(model, learning_rate, epochs, stop, name, rows, split, results):
    """Trains one stage and evaluates it on the test rows, which are not augmented."""
    train_rows, validation_rows, test_rows = split
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    stage = results.run[name] = {"history": {}, "seconds": 0.0}
    start = time.time()

    def keep(epoch, logs):
        for key, value in logs.items():
            stage["history"].setdefault(key, []).append(round(float(value), 6))
        stage["seconds"] = round(time.time() - start, 1)
        results.write()

    model.fit(
        AugmentedBatches(rows, train_rows),
        validation_data=AugmentedBatches(rows, validation_rows),
        epochs=epochs,
        callbacks=[*stop, keras.callbacks.LambdaCallback(on_epoch_end=keep)],
        verbose=2,
    )
    probability = model.predict(rows.images(test_rows), batch_size=BATCH, verbose=0)
    truth = rows.label[test_rows]
    predicted = probability.argmax(axis=1)
    likelihood = np.maximum(probability[np.arange(len(truth)), truth], keras.config.epsilon())
    stage["test_accuracy"] = round(float(np.mean(predicted == truth)), 6)
    stage["test_loss"] = round(float(-np.mean(np.log(likelihood))), 6)
    stage["confusion_matrix"] = confusion_matrix(truth, predicted).tolist()
    results.write()
    print(name, stage["test_accuracy"], stage["test_loss"], stage["confusion_matrix"], flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--weights", required=True, help="MobileNetV2 without top, Keras HDF5")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=10, help="a stage at most; fewer are for timing")
    args = parser.parse_args()

    rows = Rows(args.data_dir, args.seed)
    train_rows, rest = train_test_split(np.arange(len(rows.label)), test_size=0.3, random_state=42)
    split = (train_rows, *train_test_split(rest, test_size=0.5, random_state=42))
    results = Results(args.output, args.seed, rows, split)
    classes = len(rows.classes)

    keras.utils.set_random_seed(args.seed)
    train(baseline_cnn(classes), 1e-3, args.epochs, [], "baseline", rows, split, results)

    stop = keras.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    base, model = transfer_model(args.weights, classes)
    train(model, 1e-3, args.epochs, [stop], "frozen", rows, split, results)
    base.trainable = True
    train(model, 1e-4, min(args.epochs, 5), [stop], "finetune", rows, split, results)


if __name__ == "__main__":
    main()
