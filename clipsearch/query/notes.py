"""Notes on surprising answers.

They are about words that look like a file name, a minus without a space, words that the model cannot read, and marked photos
that are gone; and about places that share a name. `unmet.py` has those on filters that no photo meets.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from clipsearch.conditions import Located, Test, leaves_of, typed_glob
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.other_languages import words_of_other_languages
from clipsearch.encoders.recommended import languages_of, multilingual_model
from clipsearch.images.file_types import is_image_name
from clipsearch.query.hits import QueryNote
from clipsearch.query.language import texts_of
from clipsearch.query.negation import languages_read, negations_of, without_negations
from clipsearch.query.readable import reads_nothing, unread_in
from clipsearch.query.relevance import RELEVANT
from clipsearch.query.vector_store import SelectionT, VectorStore
from clipsearch.render.text import cosine, percent
from clipsearch.terms import Query, Term
from clipsearch.types import Hit

if TYPE_CHECKING:
    from clipsearch.query.sentences.understood import Understood

_SIGN_WORD = re.compile(r"(?:^|(?<=\s))([-+\u2212\u2013\u2014])(?=[^\W\d_]{2})(\S+)")
_DASH = re.compile(r"(?<=\s)[\u2212\u2013\u2014](?=\s)")  # what many editors make of a minus
_CAMERA_NAME = re.compile(r"[\w()-]*(?:\d{4}|[_-]\d{3})[\w()-]*")  # IMG_0004, P1010023, 20230412_123456, 0004
_MOST_PLACES = 3  # that a note names
_LONGEST_NAME = 255  # characters; no file system has longer ones
_WORD = re.compile(r"\w+")
_YEARS = re.compile(r"(?<!\S)((?:19|20)\d\d) ([-\u2212\u2013\u2014]) ((?:19|20)\d\d)(?!\S)")
_DATE = re.compile(r"(?:19|20)\d\d(?:s|(?:[-.]\d\d?){0,2})")  # of names, or of the 1950s


def query_notes(query: Query, store: VectorStore[SelectionT], encoder: Encoder) -> tuple[QueryNote, ...]:
    """The notes on a query's texts, in their order, then on its marks."""
    notes: list[QueryNote] = []
    texts = [term.content.strip() for term in query.terms if isinstance(term.content, str)]
    for term in query.terms:
        if isinstance(term.content, str):
            text = term.content.strip()
            notes += filter(None, (_file_name(text, store), _sign(term, query)))
    if unread := _unread(texts, encoder, is_random=reads_nothing(query, encoder)):
        notes.append(unread)
    if denied := _denied(query, encoder):
        notes.append(denied)
    if years := _years(query):
        notes.append(years)
    if gone := _gone_marks(query, store):
        notes.append(gone)
    return tuple(notes)


def with_facts(
    notes: Sequence[QueryNote], searched: Query, typed: Query, understood: Understood | None
) -> tuple[QueryNote, ...]:
    """The notes on a `smart` query; the queries that they propose have the facts again that became filters.

    If a text is not clear, a note says so instead of proposing to subtract what it denies. Others name places without photos.
    """
    denied = next((note for note in notes if note.code == "negation"), None)
    if understood and understood.unclear:
        message = f"it is not certain {understood.unclear}, so the text was searched as written"
        message += ", and no match is given, since models take no notice of denials" if denied else ""
        notes = [note for note in notes if note is not denied]
        notes.append(QueryNote("unclear", f"{message}. Use filters instead", ""))
    facts = understood.facts if understood else ()
    for place in understood.absent if understood else ():
        is_denied = any(fact.is_denied and place in fact.meaning for fact in facts)
        so = "there is nothing to leave out" if is_denied else "the name was searched as text"
        notes = [*notes, QueryNote("absent", f"no photo is from {place}, so {so}", "")]
    if (years := _years(typed)) and years not in notes:
        notes = [years, *notes]
    texts = [term for term in searched.terms if isinstance(term.content, str)]
    signs = {note.message: note for term in texts if (note := _sign(term, typed))}
    return tuple(
        replace(note, value=_corrected(typed, searched, note.value))
        if note.code == "misspelt"
        else signs.get(note.message, note)
        for note in notes
    )


def _corrected(typed: Query, searched: Query, meant: str) -> str:
    """A query with the words that were meant, which stand where those of the query that was searched do."""
    changes = dict(zip(_WORD.findall(texts_of(searched.terms)), _WORD.findall(meant), strict=False))
    return _WORD.sub(lambda word: changes.get(word[0], word[0]), texts_of(typed.terms))


def is_unlikely(query: Query, hits: Sequence[Hit]) -> bool:
    """Whether the first page of a query has hits with a match, and none of them is a likely one."""
    return not query.offset and bool(hits) and all(hit.match is not None and hit.match < RELEVANT for hit in hits)


def spelling_notes(
    query: Query, hits: Sequence[Hit], encoder: Encoder, places: Callable[[], Sequence[str]] = tuple
) -> list[QueryNote]:
    """If no hit is a likely match, and some words have a slip, such as a letter missing: the query that was probably meant.

    A query in which another word seems to have a slip is not proposed: it would not be what was meant. `places` gives the codes
    of the places that photos have.
    """
    if not is_unlikely(query, hits):
        return []
    from clipsearch.query.misspelt import seems_misspelt, with_places, without_slips  # few queries need it

    terms = [
        replace(term, content=without_slips(with_places(term.content, places), encoder.text_pieces))
        if isinstance(term.content, str)
        else term
        for term in query.terms
    ]
    texts = [term.content for term in query.terms if isinstance(term.content, str)]
    if terms == list(query.terms) or any(map(words_of_other_languages, texts)):
        return []
    if any(isinstance(term.content, str) and seems_misspelt(term.content, encoder.text_pieces) for term in terms):
        return []
    meant = texts_of(terms)
    return [QueryNote("misspelt", f'no photo is a likely match; did you mean "{meant}"?', meant)]


def kept_notes(query: Query) -> list[QueryNote]:
    """On the texts that are subtracted, if that makes no photo less than likely."""
    texts = [f'"{term.content}"' for term in query.terms if isinstance(term.content, str) and term.weight < 0]
    if not texts:
        return []
    message = f"the model is not sure of {' or '.join(texts)} in any of the likely photos, so all of them stay"
    return [QueryNote("kept", message, "")]


def limit_notes(query: Query, unlimited: Sequence[Hit]) -> list[QueryNote]:
    """If the limits of a query leave nothing of some hits: the best of them, and a limit that shows it."""
    matches = [hit.match for hit in unlimited if hit.match is not None]
    best_match, best_score = max(matches, default=1.0), max((hit.score for hit in unlimited), default=1.0)
    if query.min_match is not None and best_match < query.min_match:
        return [QueryNote("best-match", f"the best match is {percent(best_match)}", _limit_below(best_match))]
    if query.min_score is not None and best_score < query.min_score:
        return [QueryNote("best-score", f"the best score is {cosine(best_score)}", _limit_below(best_score))]
    return []


def _limit_below(value: float) -> str:
    """The largest number of about two digits that is not above a value."""
    scale = 10 ** (2 if abs(value) >= 0.1 else 3 if abs(value) >= 0.01 else 4)
    steps = round(value * scale)
    steps -= steps / scale > value
    return f"{steps / scale:.4f}".rstrip("0").rstrip(".")


def _years(query: Query) -> QueryNote | None:
    """If a minus is between two years, as in "dog 2018 - 2020": the `smart` query for the photos of these years."""
    for place, (first, second) in enumerate(pairwise(query.terms)):
        if first.weight < 0 or second.weight != -1 or first.literal or second.literal:
            continue
        if years := _YEARS.search(text := f"{first.content} - {second.content}"):
            terms = (*query.terms[:place], replace(first, content=text), *query.terms[place + 2 :])
            return _of_years(years, f'as {years[1]} without what looks like "{years[3]}"', terms)
    return None


def _of_years(years: re.Match[str], read: str, terms: Sequence[Term]) -> QueryNote:
    """How "2018 - 2020" in one of some terms was read, and the `smart` query for the photos of these years."""
    first, last = sorted((years[1], years[3]))
    message = f'"{years[0]}" was read {read}, not as the photos from {first} to {last}'
    meant = [
        replace(term, content=term.content.replace(years[0], f"{first}-{last}"))
        for term in terms
        if isinstance(term.content, str)
    ]
    return QueryNote("facts", message, texts_of(meant))


def _gone_marks(query: Query, store: VectorStore[SelectionT]) -> QueryNote | None:
    """If marked photos are not in the index any more, how many."""
    marks = {*query.right, *query.wrong}
    gone = len(marks) - len(store.records(sorted(marks))) if marks else 0
    if not gone:
        return None
    photos = "1 marked photo is" if gone == 1 else f"{gone:,} marked photos are"
    return QueryNote("marks", f"{photos} not in the index any more, and did not count", "")


def filter_notes(
    query: Query, store: VectorStore[SelectionT], hits: Sequence[Hit], considered: int
) -> tuple[QueryNote, ...]:
    """The notes on a query's filters: places of one name; or if no photo meets them, which of them leaves nothing, and why."""
    notes: list[QueryNote | None] = []
    if considered:
        located = [leaf for condition in query.filters for leaf in leaves_of(condition) if isinstance(leaf, Located)]
        notes += [_several_places(leaf, hits) for leaf in located]
    elif query.filters and len(store):
        from clipsearch.query.unmet import unmet_notes  # few queries need it

        notes += unmet_notes(query.filters, store)
    return tuple(dict.fromkeys(note for note in notes if note))


def _several_places(located: Located, hits: Sequence[Hit]) -> QueryNote | None:
    """A note if hits are from several places that share a name, the most frequent first."""
    if len(located.codes) < 2:
        return None
    counts: Counter[str] = Counter()
    for hit in hits:
        place = f"{hit.record.info.place}/"
        counts.update(code for code in located.codes if place.startswith(f"{code}/"))
    if len(counts) < 2:
        return None
    from clipsearch.gazetteer import label  # few queries need it

    labels = [label(code) for code, _ in counts.most_common()]
    named = "; ".join(labels[:_MOST_PLACES]) + (f"; {more} more" if (more := len(labels) - _MOST_PLACES) > 0 else "")
    return QueryNote("places", f"these photos are from {len(labels)} places of this name: {named}", labels[0])


def _file_name(text: str, store: VectorStore[SelectionT]) -> QueryNote | None:
    """If a text looks like a file name, how many photos have such a name. A number must be in the name of one."""
    if len(text) > _LONGEST_NAME or any(sign.isspace() for sign in text) or _DATE.fullmatch(text):
        return None
    is_whole = is_image_name(text)
    if not is_whole and not _CAMERA_NAME.fullmatch(text):
        return None
    glob = typed_glob(text)
    if not is_whole:
        glob = f"*{glob}*" if text.isdecimal() else f"{glob}*"
    count = len(store.select(Test("name", "~", glob)))
    if text.isdecimal() and not count:
        return None
    have = "no photo has" if not count else "1 photo has" if count == 1 else f"{count:,} photos have"
    message = f'"{text}" looks like a file name, but was searched as a description; {have} such a name'
    return QueryNote("file-name", message, glob if count else "")


def _sign(term: Term, query: Query) -> QueryNote | None:
    """If a sign in a term was searched as a word, because it is not one or has no space after it.

    Its value is the `query` with what follows the sign as a part of its own; "" if no text that is looked for has it.
    """
    text = str(term.content).strip()
    if term.literal:
        return None
    if years := _YEARS.search(text):
        return _of_years(years, f"as words with the dash {years[2]}", query.terms)
    if (dash := _DASH.search(text)) and (after := text[dash.end() :].strip()):
        message = f"{dash[0]} was searched as a word, because it is a dash and not a minus"
        return QueryNote("minus", message, _apart(query, after, -1))
    match = _SIGN_WORD.search(text)
    rest = "" if match is None else " ".join((text[: match.start()] + text[match.end() :]).split())
    if match is None:
        return None
    code: Literal["minus", "plus"] = "plus" if match[1] == "+" else "minus"
    message = f"{match[0]} was searched as a word, because no space follows its {code}"
    if rest.startswith("-"):  # options that were taken as text: no query to propose
        return QueryNote(code, message, "")
    return QueryNote(code, message, _apart(query, match[2], 1 if code == "plus" else -1))


def _apart(query: Query, word: str, weight: float) -> str:
    signed = re.compile(rf"(?<!\S)[+\u2212\u2013\u2014-]\s*{re.escape(word)}(?!\w)")
    for place, term in enumerate(query.terms):
        if isinstance(term.content, str) and term.weight > 0 and signed.search(term.content):
            rest = " ".join(signed.sub(" ", term.content, count=1).split())
            parts = ((replace(term, content=rest),) if rest else ()) + (Term(word, weight),)
            return texts_of((*query.terms[:place], *parts, *query.terms[place + 1 :]))
    return ""


def _denied(query: Query, encoder: Encoder) -> QueryNote | None:
    """If a text denies something in a language that the model reads, the query that subtracts it."""
    languages = languages_read(encoder.spec.text_model or encoder.spec.fingerprint.model)
    found = [denial for term in query.terms for denial in negations_of(term, languages)]
    if not found:
        return None
    what = _named(dict.fromkeys(text for denial in found for text in denial.denied))
    message = f'models take no notice of "{found[0].cue}": photos of {what} are among the best, so no match is given'
    return QueryNote("negation", message, texts_of(without_negations(query.terms, languages)))


def _unread(texts: Sequence[str], encoder: Encoder, *, is_random: bool) -> QueryNote | None:
    """If the model cannot read some words of texts or their language, which ones, and a model that reads many languages.

    `is_random` says that it reads nothing of what the query looks for.
    """
    spec = encoder.spec
    model = spec.text_model or spec.fingerprint.model
    unread: dict[str, None] = {}  # in their order, each once
    foreign: dict[str, None] = {}
    for text in texts:
        if words := unread_in(text, encoder):
            unread[" ".join(words)] = None
        elif languages_of(model) == "English" and (words := words_of_other_languages(text)):
            foreign[" ".join(words)] = None
    not_english = f"{_named(foreign)} {'is' if len(foreign) == 1 else 'are'} not English" if foreign else ""
    if unread:
        message = f"the model {model} cannot read {_named(unread)}"
        if is_random:
            message += ", so these photos are no better than random ones, and no match is given"
        else:
            message += f"; it reads only the other words{not_english and f', and {not_english}'}"
    elif foreign:
        message = f"the model {model} reads English only, and {not_english}: describe the photo in English"
    else:
        return None
    other = multilingual_model()
    if other is None or spec.text_model or languages_of(model) == other.languages:
        return QueryNote("unread", message, "")
    from clipsearch.encoders.text_models import text_model_for  # few queries need it

    if tower := text_model_for(model):
        message += (
            f". {tower.model} reads {tower.languages} languages for the same photos: `text_model='{tower.model}'`"
        )
    else:
        message += f". {other.model} reads {other.languages} languages"
    return QueryNote("unread", message, other.model)


def _named(texts: Iterable[str]) -> str:
    """Texts in quotes: '"Hund", "Katze" and "Maus"'."""
    *others, last = (f'"{text}"' for text in texts)
    return f"{', '.join(others)} and {last}" if others else last
