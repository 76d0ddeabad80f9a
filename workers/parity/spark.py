"""Spark's side of the parity: its own model, its own objective and its own evaluators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from studies.data.split import Rows
from studies.records.reports import Scores
from workers.solvers.mllib import BLOCK_SIZE
from workers.spark import session as spark_session
from workers.spark.failures import translated
from workers.spark.internals import java_frame_of, jvm_of
from workers.spark.rows import heap_mib
from workers.training.network import flatten, parameters
from workers.training.scores import SMALLEST
from workers.training.trainer import Weights

PARTITIONS = 1
"""Partitions of the rows here: more of them come back in the order of their sizes."""

# PySpark is imported inside the functions: it costs seconds.


@dataclass(frozen=True)
class Seen:
    """What Spark computes for some rows with given weights.

    Attributes:
        objective: what its solvers minimise, there.
        probabilities: (rows, classes) of ``model.transform``.
        frame: its rows: label, prediction, probability; kept in Spark's memory until they are scored.
    """

    objective: float
    probabilities: NDArray[np.float64]
    frame: Any


class SparkNetwork:
    """MLlib's MultilayerPerceptronClassificationModel with any weights, on some rows.

    Args:
        rows: one or more; one partition, so that they come back in their order.
        layers: (features, *hidden, classes).
    """

    def __init__(self, rows: Rows, layers: Sequence[int]) -> None:
        from pyspark.ml.functions import array_to_vector

        self._layers = list(layers)
        self._spark = spark_session.start(heap_mib(rows, parameters(layers)))
        with translated(self._spark, epoch=0):
            sent = self._spark.session.createDataFrame(_table(rows)).coalesce(PARTITIONS)
            self._frame = sent.select(array_to_vector("features").alias("features"), "label").cache()

    def at(self, weights: Weights) -> Seen:
        """What Spark computes with these weights.

        A fit of no iterations is how MLlib makes a model of given weights; it also evaluates the objective.

        Raises:
            TrainingFailed: where the JVM dies or has too little memory.
            RuntimeError: where the model has other weights.
        """
        with translated(self._spark, epoch=0):
            return self._at(weights)

    def scores(self, seen: Seen, positive: int) -> tuple[Scores, float]:
        """Every score from Spark's own evaluators, and its areaUnderPR, which no score of ours is.

        Raises:
            TrainingFailed: where the JVM dies or has too little memory.
        """
        with translated(self._spark, epoch=0):
            evaluators = Evaluators(self._spark.session, seen.frame, self._layers[-1], positive)
            scores_and_area = evaluators.scores(), evaluators.area_under_pr()
            seen.frame.unpersist()
            return scores_and_area

    def _at(self, weights: Weights) -> Seen:
        from pyspark.ml.classification import MultilayerPerceptronClassifier
        from pyspark.ml.functions import vector_to_array
        from pyspark.ml.linalg import Vectors

        vector = flatten(weights)
        classifier = MultilayerPerceptronClassifier(
            layers=self._layers,
            solver="gd",
            maxIter=0,
            blockSize=BLOCK_SIZE,
            initialWeights=Vectors.dense(vector),
        )
        model = classifier.fit(self._frame)
        if not np.array_equal(model.weights.toArray(), vector):
            raise RuntimeError("Spark's model of no iterations has other weights than it was given")
        (objective,) = model.summary().objectiveHistory
        frame = model.transform(self._frame).select("label", "prediction", "probability").cache()
        column = frame.select(vector_to_array("probability").alias("probability")).toArrow()["probability"]
        probabilities = np.array(column.combine_chunks().flatten(), dtype=np.float64)
        return Seen(float(objective), probabilities.reshape(-1, self._layers[-1]), frame)


class Evaluators:
    """Spark's evaluators on rows that have a label, a prediction and a probability.

    Args:
        session: the SparkSession.
        frame: of label, prediction (both double) and probability (vector).
        classes: how many there are.
        positive: the class of the scores of one class.
    """

    def __init__(self, session: Any, frame: Any, classes: int, positive: int) -> None:
        from pyspark.ml.functions import vector_to_array

        self._session = session
        self._frame = frame
        self._classes = classes
        self._positive = positive
        self._binary = frame.select(
            vector_to_array("probability")[positive].alias("score"),
            (frame["label"] == float(positive)).cast("double").alias("label"),
        )

    def scores(self) -> Scores:
        """Each from the evaluator that :data:`workers.parity.comparisons.DEFINITIONS` names."""
        counts = self._confusion()
        support, predicted = counts.sum(axis=1), counts.sum(axis=0)
        seen = np.flatnonzero(support + predicted).tolist()
        f1 = [self._of_label("fMeasureByLabel", label, support) for label in seen]
        positive = self._positive
        return Scores(
            f1=self._of_label("fMeasureByLabel", positive, support),
            f1_macro=float(np.mean(f1)),
            f1_weighted=self._evaluate("f1"),
            precision=self._of_label("precisionByLabel", positive, support),
            recall=self._of_label("recallByLabel", positive, support),
            average_precision=self._steps_under_pr(),
            mcc=_matthews(counts),
            accuracy=self._evaluate("accuracy"),
            log_loss=self._evaluate("logLoss"),
            confusion=tuple(tuple(row) for row in counts.tolist()),
        )

    def area_under_pr(self) -> float:
        """Spark's own area under the precision-recall curve, its points joined by straight lines."""
        from pyspark.ml.evaluation import BinaryClassificationEvaluator

        evaluator = BinaryClassificationEvaluator(
            rawPredictionCol="score", labelCol="label", metricName="areaUnderPR", numBins=0
        )
        return float(evaluator.evaluate(self._binary))

    def _evaluate(self, metric: str, label: int = 0) -> float:
        from pyspark.ml.evaluation import MulticlassClassificationEvaluator

        evaluator = MulticlassClassificationEvaluator(
            metricName=metric, metricLabel=float(label), eps=SMALLEST
        )
        return float(evaluator.evaluate(self._frame))

    def _of_label(self, metric: str, label: int, support: NDArray[np.int64]) -> float:
        """A score of one class; 0 without rows of it, for which Spark has no answer but an exception."""
        return self._evaluate(metric, label) if support[label] else 0.0

    def _confusion(self) -> NDArray[np.int64]:
        """(classes, classes) rows of class i that were predicted as class j."""
        counts = np.zeros((self._classes, self._classes), np.int64)
        for row in self._frame.groupBy("label", "prediction").count().collect():
            counts[int(row["label"]), int(row["prediction"])] = row["count"]
        return counts

    def _steps_under_pr(self) -> float:
        """Sum of (recall gained) × (precision) over the points of Spark's own precision-recall curve."""
        jvm = jvm_of(self._session)
        double = jvm.org.apache.spark.sql.Encoders.scalaDouble()
        pairs = getattr(java_frame_of(self._binary), "as")(
            jvm.org.apache.spark.sql.Encoders.tuple(double, double)
        )
        # 0: all points. From a DataFrame it would take 1,000 of them, and give another area.
        metrics = jvm.org.apache.spark.mllib.evaluation.BinaryClassificationMetrics(pairs.rdd(), 0)
        # One text, "[(recall,precision), …]" with all digits: a call for each number takes a second.
        text = str(metrics.pr().toJavaRDD().collect().toString())
        numbers = text.translate(str.maketrans("", "", "[]() ")).split(",")
        recall, precision = np.array(numbers, dtype=np.float64).reshape(-1, 2).T
        if not np.isfinite(recall).all():
            return 0.0  # no positive rows: no recall
        return float(np.diff(recall) @ precision[1:])


def _table(rows: Rows) -> pa.Table:
    width = rows.features.shape[1]
    ends = np.arange(len(rows) + 1, dtype=np.int32) * width
    lists = pa.ListArray.from_arrays(pa.array(ends), pa.array(rows.features.ravel()))
    return pa.table({"features": lists, "label": rows.labels.astype(np.float64)})


def _matthews(counts: NDArray[np.int64]) -> float:
    """J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient",
    Computational Biology and Chemistry 28, 2004: the covariance of the rows' two one-hot codes (equation 2)
    by their deviations, and not :mod:`workers.training.scores`'s sums of counts.
    """
    rows = counts.sum()
    true, predicted = counts.sum(axis=1) / rows, counts.sum(axis=0) / rows
    covariance = float((np.diag(counts) / rows - true * predicted).sum())
    deviations = float(((true * (1 - true)).sum() * (predicted * (1 - predicted)).sum()) ** 0.5)
    return covariance / deviations if deviations else 0.0
