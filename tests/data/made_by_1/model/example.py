"""Scores rows of 3 numbers: python example.py 0.5,1.2,… …"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

here = Path(__file__).resolve().parent
about = json.loads((here / "model.json").read_text(encoding="utf-8"))
model = keras.models.load_model(here / "model.keras")


def features(numbers):
    row = np.asarray(numbers, dtype=np.float32)
    return row


def probabilities(inputs):
    return model.predict(np.stack([features(one) for one in inputs]), verbose=0)


if __name__ == "__main__":
    rows = sys.argv[1:] or [",".join(["0"] * 3)]
    inputs = [[float(number) for number in row.split(",")] for row in rows]
    for one, row in zip(inputs, probabilities(inputs)):
        positive = row[about["positive"]] > about["threshold"]
        label = about["labels"][about["positive"] if positive else 1 - about["positive"]]
        print(label, dict(zip(about["labels"], row.round(4).tolist())), one, sep="\t")
