"""Whether what is left of a sentence without its facts asks for nothing but photos: "a photo", "show me all pictures", "alles".

Such words say nothing of what is in a photo, so all photos that have the facts are meant. A word is in these lists only if it
has no other meaning in the other languages: Spanish "son" is not, for "photos of my son". All words are folded, and a word
with an apostrophe is two.
"""

from __future__ import annotations

import re
from functools import cache
from unicodedata import category

from clipsearch.query.sentences.plain_letters import folded

_WORDS = (
    "photo photos photograph photographs picture pictures pic pics image images shot shots snap snaps snapshot "
    "snapshots everything anything something stuff memories "
    "foto fotos fotografie fotografien bild bilder bildern aufnahme aufnahmen schnappschuss schnappschusse alles "
    "etwas irgendwas irgendetwas erinnerungen "
    "photographie photographies cliche cliches tout "
    "fotografia fotografias imagen imagenes instantanea instantaneas todo algo"
)
PHOTOS = tuple(_WORDS.split())
"""Words for photos, and for whatever is in them."""

_SMALL_WORDS = (
    "the, a, an, one, ones, some, any, all, every, each, both, several, many, few, a couple of, lots of, my, our, "
    "this, that, these, those, of, from, with, by, to, in, at, on, and, "
    "der, die, das, dem, des, ein, eine, einen, einem, einer, eines, alle, allen, aller, jede, jedes, jeden, "
    "mein, meine, meinen, meiner, meinem, unser, unsere, unseren, dies, diese, dieses, diesen, dieser, einige, "
    "mehrere, viele, ein paar, irgendein, irgendeine, irgendwelche, von, vom, mit, aus, im, nach, und, "
    "le, la, les, l', un, une, tous, toute, toutes, mon, mes, notre, nos, ce, cet, cette, ces, quelques, "
    "plusieurs, chaque, n' importe quel, n' importe quelle, n' importe quelles, de, du, d', avec, en, au, et, "
    "el, los, las, una, unos, unas, mi, mis, nuestra, nuestras, nuestro, nuestros, esta, este, estas, estos, esa, "
    "esas, todos, toda, todas, alguna, algunas, algun, cualquier, cada, varias, con, del, y"
)
"""Words that may be left of any sentence."""

_REQUESTS = (
    "show me, show us, give me, get me, find me, find us, find, let me see, i want, i want to see, i' d like to "
    "see, we want to see, look for, looking for, i' m looking for, search for, can you, could you, please, pls, "
    "where is, what happened, what did i do, what did we do, where was i, where were we, when was i, when were "
    "we, what we did, where did i go, where did we go, were we, did we go, who is, "
    "zeig mir, zeige mir, zeig uns, zeigen sie mir, zeig mir mal, gib mir, such mir, suche mir, finde, suche, "
    "suche nach, ich suche, ich mochte, ich will, kannst du mir, bitte, wo ist, was war, wo war ich, wo waren "
    "wir, wann war ich, wann waren wir, was haben wir gemacht, was habe ich gemacht, wer ist, "
    "montre moi, montrez moi, montre nous, donne moi, trouve moi, cherche moi, affiche moi, trouve, trouver, "
    "trouvez, cherche, chercher, cherchez, je cherche, je veux voir, je voudrais voir, peux tu me montrer, s' il "
    "te plait, s' il vous plait, svp, ou est, ou etais je, ou etions nous, quand etais je, qui est, quelque "
    "chose, n' importe quoi, "
    "muestrame, muestranos, muestreme, ensename, ensenanos, buscame, encuentrame, busca, buscar, encuentra, "
    "encontrar, quiero ver, quisiera ver, puedes mostrarme, por favor, hay fotos, que fotos hay, donde esta, que "
    "paso, donde estuve, donde estuvimos, cuando estuve, quien es, cualquier cosa"
)
"""How one asks for photos, or for what a fact says: "show me Anna"."""

_BEFORE_PHOTOS = (
    "show, search, list, see, view, display, get, open, only, just, more, other, latest, newest, recent, most "
    "recent, new, last, two, three, four, five, ten, "
    "zeig, zeige, zeigt, den, nur, mehr, weitere, andere, neue, neuen, neueste, neuesten, letzte, letzten, zwei, "
    "drei, vier, funf, zehn, "
    "montre, montrer, montrez, afficher, ma, seulement, d' autres, derniere, dernieres, nouvelles, deux, trois, "
    "quatre, cinq, dix, "
    "muestra, mostrar, ver, dame, solamente, otra, otras, mas, ultima, ultimas, nuevas, dos, tres, cuatro, cinco, "
    "diez"
)
"""Words before photos that may be others elsewhere: "a show", "only Anna", German "See". Photos are listed newest first."""

_WITH_PHOTOS = (
    "which, what, where, is, are, was, were, there, taken, made, captured, i took, we took, i have, we have, i' "
    "ve taken, do i have, do we have, that show, that shows, which show, showing, featuring, containing, "
    "including, in it, in them, on it, on them, together, "
    "welche, welches, was fur, wo, gibt es, habe ich, haben wir, sind, ist, wurde, wurden, aufgenommen, "
    "aufgenommene, aufgenommenen, gemacht, entstanden, stammen, die ich gemacht habe, die wir gemacht haben, die "
    "ich aufgenommen habe, auf denen, auf dem, zu sehen, sehen, drauf, zusammen, zeigen, anzeigen, "
    "quelle, quelles, ou, sont, est, y a t il, il y a, prise, prises, pris, faite, faites, j' ai, que j' ai, qui, "
    "qui ont ete, qui montrent, on voit, sur lesquelles, sur laquelle, apparait, dessus, ensemble, recente, "
    "recentes, les plus recentes, "
    "que, cuales son, donde, estan, tengo, tenemos, es, tomada, tomadas, hecha, hechas, sacada, sacadas, que "
    "hice, que tome, que saque, que hicimos, que tomamos, que muestran, en las que, en la que, en las que sale, "
    "en la que sale, donde sale, que sale, salen, aparece, aparecen, juntos, juntas, reciente, recientes, mas "
    "recientes"
)
"""Words before or after photos that may be others without them."""

_MOST_WORDS = 5  # of a phrase
_WORD = re.compile(r"[^\W_]+'?")
_SIGNS = "+|<>=~^`\u00b4"  # that are no punctuation for Unicode, and say nothing


def is_only_photos(text: str) -> bool:
    """Whether a text, which is not empty, asks for photos and says nothing of what is in them."""
    plain = folded(text)
    words = _WORD.findall(plain)
    if any(sign not in _SIGNS and category(sign)[0] not in "PZ" for sign in _WORD.sub("", plain)):  # a heart
        return False
    if not words:
        return True
    found: set[str] = set()
    start = 0
    while start < len(words):
        kind, count = _phrase_at(words, start)
        if not kind or (kind == "before" and "photos" in found):
            return False
        found.add(kind)
        start += count
    if "photos" in found:
        return True
    is_name = len(text) > 1 and text.isupper()  # "LA"
    return not is_name and not found & {"before", "with"}


def words_beside_photos(text: str) -> int | None:
    """How many words of a text that asks for photos are not in the lists, as two in "photos of anna in paris".

    None for a text that does not ask for photos.
    """
    words = _WORD.findall(folded(text))
    kinds: list[str] = []
    start = 0
    while start < len(words):
        kind, count = _phrase_at(words, start)
        kinds.append(kind)
        start += count or 1
    return kinds.count("") if {"photos", "request"} & set(kinds) else None


def _phrase_at(words: list[str], start: int) -> tuple[str, int]:
    """The kind and the number of words of the longest phrase that begins at a word; "" and 0 without one."""
    for count in range(min(_MOST_WORDS, len(words) - start), 0, -1):
        if kind := _kinds().get(" ".join(words[start : start + count])):
            return kind, count
    is_count = words[start].isdigit() and len(words[start]) < 4  # a longer number may be a year
    return ("before", 1) if is_count else ("", 0)


@cache
def _kinds() -> dict[str, str]:
    """The kind of each phrase."""
    lists = {"with": _WITH_PHOTOS, "before": _BEFORE_PHOTOS, "request": _REQUESTS, "small": _SMALL_WORDS}
    kinds = {phrase: kind for kind, phrases in lists.items() for phrase in phrases.split(", ")}
    return kinds | dict.fromkeys(PHOTOS, "photos")
