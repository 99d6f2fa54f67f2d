"""Random versions of an ImagingStudy whose values come from few, so that versions often agree and often do not."""

from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]

word = st.sampled_from("ab")
number = st.sampled_from([1, 2])
key = st.sampled_from("abc")


def element(_required: dict[str, Strategy] | None = None, **optional: Strategy) -> Strategy:
    return st.fixed_dictionaries(_required or {}, optional=optional)


def items(one: Strategy, *, unique_by: Any = None) -> Strategy:
    return st.lists(one, min_size=1, max_size=3, unique_by=unique_by)


def reference_to(kind: str) -> Strategy:
    return key.map(lambda one: f"{kind}/{one}")


# --- sane versions: every list element has one key, which stands once -------------------------------------------------

KEYS: dict[str, Any] = {
    "identifier": lambda one: one["value"],
    "extension": lambda one: one["url"],
    "modifierExtension": lambda one: one["url"],
    "endpoint": lambda one: one["reference"],
    "basedOn": lambda one: one["identifier"]["value"],
    "note": lambda one: one["text"],
    "modality": lambda one: one["code"],
    "reasonCode": lambda one: one["text"],
    "tag": lambda one: one["code"],
    "profile": lambda one: one,
    "series": lambda one: one["uid"],
    "instance": lambda one: one["uid"],
    "performer": lambda one: one["actor"]["display"],
    "specimen": lambda one: one["identifier"]["value"],
    "contained": lambda one: one["id"],
}
"""Key of an element of each list, by the rules that `docs/ownership.md` tells."""


def keyed(name: str, one: Strategy) -> Strategy:
    return items(one, unique_by=KEYS[name])


extension = element({"url": key, "valueString": word})
extensions = keyed("extension", extension)
sibling = element({"extension": extensions})


def identified() -> Strategy:
    return st.builds(lambda value: {"system": "s", "value": value}, key)


def logical(kind: str) -> Strategy:
    return element({"type": st.just(kind), "identifier": identified()}, display=word, extension=extensions)


instance = element({"uid": key}, number=number, title=word, extension=extensions)
series = element(
    {"uid": key},
    number=number,
    description=word,
    _description=sibling,
    numberOfInstances=number,
    endpoint=keyed("endpoint", element({"reference": reference_to("Endpoint")}, extension=extensions)),
    performer=keyed("performer", element({"actor": element({"display": key})}, extension=extensions)),
    specimen=keyed("specimen", logical("Specimen")),
    instance=keyed("instance", instance),
    extension=extensions,
)
SANE: dict[str, Strategy] = {
    "subject": element({"reference": reference_to("Patient")}),
    "meta": element({}, tag=keyed("tag", element({"code": key}, display=word)), profile=keyed("profile", key)).filter(
        bool
    ),
    "identifier": keyed("identifier", element({"system": st.just("s"), "value": key}, use=word, extension=extensions)),
    "extension": extensions,
    "modifierExtension": extensions,
    "status": word,
    "description": word,
    "_description": sibling,
    "numberOfSeries": number,
    "numberOfInstances": number,
    "modality": keyed("modality", element({"system": st.just("s"), "code": key}, display=word)),
    "basedOn": keyed("basedOn", logical("ServiceRequest")),
    "endpoint": keyed("endpoint", element({"reference": reference_to("Endpoint")}, extension=extensions)),
    "reasonCode": keyed("reasonCode", element({"text": key}, extension=extensions)),
    "note": keyed("note", element({"text": key}, extension=extensions)),
    "contained": keyed("contained", element({"resourceType": st.just("Device"), "id": key}, status=word)),
    "series": keyed("series", series),
}


# --- any versions: elements that lack their keys, that stand twice, and that are alike in some of their keys ----------

loose_extension = st.deferred(
    lambda: element(
        {"url": key},
        valueString=word,
        _valueString=element({}, id=word),
        valueInteger=number,
        valueReference=loose_reference,
        valuePeriod=element({}, start=word, end=word),
        extension=items(extension),
    )
)
loose_coding = element({}, system=word, code=key, display=word, version=word, extension=items(loose_extension))
loose_concept = element({}, coding=items(loose_coding), text=key, extension=items(extension))
loose_identifier = element({}, system=word, value=key, use=word, type=loose_concept)
loose_reference = element({}, reference=key, type=word, identifier=loose_identifier, display=word)
loose_codeable = element({}, concept=loose_concept, reference=loose_reference)
loose_series = element(
    {},
    uid=key,
    number=number,
    description=word,
    _description=element({}, id=word, extension=items(loose_extension)),
    modality=loose_coding,
    bodySite=loose_codeable,
    performer=items(element({}, function=loose_concept, actor=loose_reference)),
    instance=items(element({}, uid=key, number=number, extension=items(loose_extension))),
    specimen=items(loose_reference),
)
LOOSE: dict[str, Strategy] = {
    "meta": element(
        {},
        source=st.sampled_from(["a", "b", "a#1", "#2"]),
        profile=items(word),
        _profile=items(st.none() | element({}, id=word)),
        tag=items(loose_coding),
        versionId=word,
    ),
    "identifier": items(loose_identifier),
    "subject": loose_reference,
    "location": loose_reference,
    "basedOn": items(loose_reference),
    "endpoint": items(loose_reference),
    "note": items(element({}, text=word, time=word, authorString=word)),
    "reasonCode": items(loose_concept),
    "procedure": items(loose_codeable),
    "extension": items(loose_extension),
    "modifierExtension": items(loose_extension),
    "contained": items(element({}, resourceType=word, id=word, status=word)),
    "series": items(loose_series),
    "numberOfSeries": number,
    "text": element({}, div=word),
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1) | word,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["", "_", "a", "_a", "uid"]), inner),
    max_leaves=6,
)
strange = st.dictionaries(st.sampled_from([*LOOSE, "_status", "status"]), anything, max_size=3)


@st.composite
def versions(draw: st.DrawFn, of: dict[str, Strategy], elements: int) -> tuple[dict[str, Any], ...]:
    """Three versions of a study, each with some of the same few elements."""
    names = draw(st.lists(st.sampled_from(sorted(of)), min_size=1, max_size=elements, unique=True))
    version = st.fixed_dictionaries({}, optional={name: of[name] for name in names})
    return tuple({"resourceType": "ImagingStudy", "id": "1", **draw(version)} for _ in range(3))
