"""What is known of a study or a series, and which value counts where its instances disagree.

Instances of one study should state the same of it, but do not always. Orthanc's database holds what the first instance
that came stated. So the datasets that were read decide wherever there are any, in an order that is their own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING, TypeVar

from indexer.mapping.issues import Cause, Issues
from indexer.mapping.syntax import MAX_UNSIGNED, unsigned
from indexer.model.attributes import tag_of
from indexer.model.objects import is_image

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from indexer.model import Attributes, PersonName, Series

T = TypeVar("T")

_RANK = attrgetter("rank")
_SOP_CLASS = attrgetter("sop_class_uid")
_NO_DATE = "~"  # sorts after every date


@dataclass(frozen=True, slots=True)
class Statement:
    """What one dataset states, and for how many instances.

    Attributes
    ----------
    rank
        Images before other objects, then by SeriesDate, SeriesNumber, SeriesInstanceUID and SOPInstanceUID.
    weight
        Instances that the dataset speaks for: a sampled image for all images of its series, others for themselves.
    """

    dataset: Attributes
    is_image: bool = True
    weight: int = 1
    rank: tuple[bool, str, int, str, str] = (False, "", 0, "", "")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is stated of one study or one series: by sampled datasets, or by the database where none was read.

    Where statements differ, images are preferred to other objects, then the value of most instances, then that of the
    smallest rank.

    Attributes
    ----------
    statements
        By their rank.
    """

    statements: Sequence[Statement]
    issues: Issues
    _counted: set[tuple[str, Cause]] = field(default_factory=set)

    @property
    def datasets(self) -> list[Attributes]:
        """The datasets of the statements, by their rank."""
        return [statement.dataset for statement in self.statements]

    def text(self, keyword: str) -> str | None:
        """The attribute as text."""
        return self.chosen(methodcaller("text", keyword), keyword)

    def person_names(self, keyword: str) -> tuple[PersonName, ...]:
        """All values of a PN attribute."""
        return self.chosen(lambda dataset: dataset.person_names(keyword) or None, keyword) or ()

    def parsed(self, keyword: str, parse: Callable[[str], T | None], cause: Cause = Cause.MALFORMED) -> T | None:
        """What the attribute's text means; texts that are not what they should be are counted."""
        statements = self.statements[:1] if self._agree_on(keyword) else self.statements
        texts = [(statement, text) for statement in statements if (text := statement.dataset.text(keyword))]
        values = [(statement, value) for statement, text in texts if (value := parse(text)) is not None]
        if len(values) < len(texts):
            self._count(keyword, cause)
        return self._preferred(values, keyword)

    def chosen(self, read: Callable[[Attributes], T | None], *keywords: str) -> T | None:
        """The value that counts among those that the datasets have.

        Parameters
        ----------
        read
            Makes the value of these attributes and of no others.
        """
        if all(map(self._agree_on, keywords)):
            return read(self.statements[0].dataset)
        read_all = ((statement, read(statement.dataset)) for statement in self.statements)
        values = [(statement, value) for statement, value in read_all if value is not None]
        return self._preferred(values, *keywords)

    def where(self, read: Callable[[Attributes], T | None], value: T | None, keyword: str) -> Evidence:
        """The statements of one value, for attributes that belong to it; all of them where there is no value."""
        if value is None or self._agree_on(keyword):
            return self
        return replace(self, statements=[each for each in self.statements if read(each.dataset) == value])

    def items(self, keyword: str) -> tuple[Attributes, ...]:
        """Items of a sequence from every dataset; like ones may repeat."""
        return tuple(item for dataset in self.datasets for item in dataset.items(keyword))

    def undisputed(self, keyword: str, values: Sequence[T]) -> T | None:
        """The value on which all agree; for what harms if it is wrong, so that no value is preferred."""
        if any(value != values[0] for value in values):
            self._count(keyword, Cause.DISAGREES)
            return None
        return values[0] if values else None

    def undisputed_text(self, keyword: str) -> str | None:
        """The text on which all datasets agree that have the attribute."""
        return self.undisputed(keyword, [text for dataset in self.datasets if (text := dataset.text(keyword))])

    def _agree_on(self, keyword: str) -> bool:
        """Whether all datasets have the same value, as they mostly do, so that only the first has to be read."""
        if len(self.statements) == 1:
            return True
        tag = tag_of(keyword)
        element = self.statements[0].dataset.json.get(tag)
        for statement in self.statements:  # noqa: SIM110 - a generator takes twice as long
            if statement.dataset.json.get(tag) != element:
                return False
        return True

    def _preferred(self, values: list[tuple[Statement, T]], *keywords: str) -> T | None:
        if not values:
            return None
        first = values[0][1]
        if all(value == first for _, value in values):
            return first
        for keyword in keywords:
            if not self._agree_on(keyword):
                self._count(keyword, Cause.STUDY_CONFLICT)
        images = [(statement, value) for statement, value in values if statement.is_image]
        return _weightiest(images or values)

    def _count(self, keyword: str, cause: Cause) -> None:
        """Count once, however often the attribute is asked for."""
        if (keyword, cause) not in self._counted:
            self._counted.add((keyword, cause))
            self.issues.add(keyword, cause)


def by_rank(statements: Iterable[Statement]) -> list[Statement]:
    """Statements in the order in which they count."""
    return sorted(statements, key=_RANK)


def statements_of(series: Series) -> list[Statement]:
    """What the sampled datasets of a series state, by rank; empty where none was read."""
    if not series.sampled:
        return []
    counts = Counter(map(_SOP_CLASS, series.instances))
    count = sum(count for sop_class_uid, count in counts.items() if is_image(sop_class_uid))
    images = _sampled_images(series, count)
    weight = max(1, count // (len(images) or 1))
    return by_rank(
        Statement(dataset, uid in images, weight if uid in images else 1, _rank(series, uid, dataset, uid in images))
        for uid, dataset in series.sampled.items()
    )


def _sampled_images(series: Series, number_of_images: int) -> Collection[str]:
    """SOPInstanceUIDs of the sampled instances that are images."""
    if number_of_images == len(series.instances):
        return series.sampled.keys()
    instances = (instance for instance in series.instances if not is_image(instance.sop_class_uid))
    return series.sampled.keys() - {instance.sop_instance_uid for instance in instances}


def _rank(series: Series, uid: str, dataset: Attributes, of_image: bool) -> tuple[bool, str, int, str, str]:
    number = unsigned(dataset.text("SeriesNumber") or "")
    return (
        not of_image,
        dataset.text("SeriesDate") or _NO_DATE,
        MAX_UNSIGNED + 1 if number is None else number,
        series.series_instance_uid,
        uid,
    )


def _weightiest(values: Sequence[tuple[Statement, T]]) -> T:
    """The value of most instances; of values of as many the first."""
    different: list[T] = []
    weights: list[int] = []
    for statement, value in values:
        if value not in different:
            different.append(value)
            weights.append(0)
        weights[different.index(value)] += statement.weight
    return different[weights.index(max(weights))]
