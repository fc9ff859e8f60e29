"""Mutants of the order in a batch: what is put and set aside when, and what is reported."""

from typing import Final

from tests.mutants.mutant import Mutant

MUTANTS: Final = (
    Mutant(
        "the event that is undone is reported, and so is one before it",
        "streams/kinesis_event.py",
        'else [{"itemIdentifier": not_done_from}]',
        'else [{"itemIdentifier": not_done_from}, {"itemIdentifier": str(int(not_done_from) - 1)}]',
        ("not the first undone",),
    ),
    Mutant(
        "the last record is reported instead of the first undone",
        "scoring.py",
        "not_done_from=_sequence_number(records, first_undone),",
        "not_done_from=_sequence_number(records, first_undone) and records[-1].sequence_number,",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "the record behind the first undone is reported",
        "scoring.py",
        "not_done_from=_sequence_number(records, first_undone),",
        "not_done_from=_sequence_number(records, first_undone + 1),",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "the record before the first undone is reported",
        "scoring.py",
        "not_done_from=_sequence_number(records, first_undone),",
        "not_done_from=_sequence_number(records, first_undone)\n"
        "            and records[max(0, first_undone - 1)].sequence_number,",
        ("not the first undone",),
    ),
    Mutant(
        "nothing is reported",
        "scoring.py",
        "not_done_from=_sequence_number(records, first_undone),",
        "not_done_from=None,",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "without a model all is done",
        "scoring.py",
        "not_done_from=_sequence_number(records, 0),",
        "not_done_from=None,",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "the answer is that all is done, whatever became of the batch",
        "function.py",
        "self.source.answer(event, result.not_done_from)",
        "self.source.answer(event, None)",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "a record is reported by its event's id",
        "scoring.py",
        "return records[position].sequence_number if",
        "return records[position].event_id if",
        ("not the first undone",),
    ),
    Mutant(
        "the place among the predictions is taken for that of the record",
        "scoring.py",
        "first_undone, failure = batch.scored[put.done].arrival.position, put.failure",
        "first_undone, failure = put.done, put.failure",
        ("not the first undone",),
    ),
    Mutant(
        "what the sink could not put is passed over",
        "scoring.py",
        "first_undone, failure = batch.scored[put.done].arrival.position, put.failure",
        "failure = put.failure",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "predictions are put behind a reject that could not be written",
        "scoring.py",
        "outputs = batch.outputs_before(first_undone)",
        "outputs = batch.outputs",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "the last prediction before an undone record is left out",
        "scoring.py",
        "return self.outputs[:end]",
        "return self.outputs[: end - 1]",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "a batch with a reject that cannot be written is undone from the beginning",
        "scoring.py",
        "return rejects[0][0], str(error)",
        "return 0, str(error)",
        ("not the first undone",),
    ),
    Mutant(
        "a batch with a reject that cannot be written is undone from its last reject",
        "scoring.py",
        "return rejects[0][0], str(error)",
        "return rejects[-1][0], str(error)",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "a reject that cannot be written is passed over",
        "scoring.py",
        "return rejects[0][0], str(error)",
        "return first_undone, failure",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "rejects are not written",
        "scoring.py",
        "self._rejects.put([reject for _, reject in rejects])",
        "pass",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "the reject of an event is swallowed",
        "scoring.py",
        "self.unread.append((position, reject(arrival, cause, self.scored_at)))",
        "pass",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "the reject of a whole record is swallowed",
        "scoring.py",
        "self.unread.append((position, reject_whole(record, cause, self.scored_at)))",
        "pass",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "the model's own rejects are swallowed",
        "scoring.py",
        "self.unscored.append((item.arrival.position, rejected))",
        "pass",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "the model's own rejects are written behind the first undone",
        "scoring.py",
        "unscored = [item for item in batch.unscored if item[0] < first_undone]",
        "unscored = batch.unscored",
        ("not the first undone", "two fates", "lost"),
    ),
    Mutant(
        "what there was no time to try counts as done",
        "scoring.py",
        "self.undone_from = scorable[len(numbers)].arrival.position",
        "pass",
        ("not the first undone", "lost"),
    ),
    Mutant(
        "minutes go to the rides in the opposite order",
        "scoring.py",
        "zip(scorable, numbers, strict=False)",
        "zip(scorable, reversed(numbers), strict=False)",
        ("wrong",),
    ),
    Mutant(
        "half of a batch is scored by the model that serves now",
        "scoring.py",
        "outputs = batch.outputs_before(first_undone)",
        "outputs = list(batch.outputs_before(first_undone))\n"
        "        again = Batch(records, self._models.current(), self._now())\n"
        "        half = len(outputs) // 2\n"
        "        outputs[half:] = again.outputs_before(first_undone)[half:]",
        ("several models",),
    ),
    Mutant(
        "the second half of what the model fails on is not tried",
        "predictions.py",
        "return first + predicted(model, scorable[middle:], out_of_time)",
        "return first",
        ("failed without a cause", "wrong"),
    ),
    Mutant(
        "the halves of what the model fails on change places",
        "predictions.py",
        "return first + predicted(model, scorable[middle:], out_of_time)",
        "return predicted(model, scorable[middle:], out_of_time) + first",
        ("wrong",),
    ),
    Mutant(
        "one ride that the model fails on makes all of its batch rejects",
        "predictions.py",
        "return _predicted_by_halves(model, scorable, out_of_time)",
        'return [CannotScore("model_output", "all of them")] * len(scorable)',
        ("wrong",),
    ),
)
