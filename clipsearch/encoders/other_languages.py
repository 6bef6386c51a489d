"""Recognise a text in a language with Latin letters other than English, by its most usual words."""

from __future__ import annotations

import unicodedata

_WORDS = {
    "German": "auf einem einer eine und nicht beim zwei hund hunde katze katzen mädchen kindern blumen bäume schnee "
    "straße vögel sonnenuntergang geburtstag hochzeit weihnachten fahrrad pferd pferde",
    "French": "avec une chien chiens neige fleurs arbre arbres vélo église forêt montagnes anniversaire oiseaux",
    "Spanish": "perro perros gatos mujer mujeres niña niños niñas montaña montañas árbol árboles cumpleaños iglesia "
    "bicicleta",
    "Portuguese": "cachorro cachorros cão cães crianças homem homens mulheres montanha montanhas árvore árvores "
    "casamento igreja aniversário",
    "Italian": "spiaggia gatto montagna ragazzo ragazza uomo alberi fiori tramonto chiesa bicicletta compleanno "
    "matrimonio",
    "Dutch": "een honden bloemen sneeuw meisje jongen vrouw kinderen fiets zonsondergang verjaardag bruiloft",
    "Polish": "plaży plaża góry śnieg dziecko dzieci kobieta kobiety mężczyzna kwiaty drzewo drzewa kościół "
    "samochód urodziny",
    "Turkish": "köpek kedi sahilde dağ dağlar çocuk çocuklar ağaç çiçek çiçekler güneş bisiklet",
    "Scandinavian": "på hunden flicka pojke kvinna jente blommor blomster snö snø träd trær solnedgång solnedgang "
    "födelsedag bursdag bröllop bryllup kyrka",
    "Czech": "kočka dítě děti květiny stromy svatba narozeniny",
    "Indonesian": "anjing kucing pantai gunung dengan pohon",
}
"""Usual words for what photos show, and words of grammar, that mean nothing in English and are rare in names."""

_OTHER = frozenset(" ".join(_WORDS.values()).split())

_ENGLISH = frozenset(["the", "of", "with", "and", "are", "from", "front", "this", "that", "on", "by"])
"""Words that make a text English, whatever names are in it."""


def words_of_other_languages(text: str) -> list[str]:
    """The words by which a text shows that it is not English; none for an English text, and if this is not certain."""
    words = [word.strip(".,;:!?\"'()") for word in unicodedata.normalize("NFC", text).split()]
    if any(word.lower() in _ENGLISH for word in words):
        return []
    return [word for word in words if word.lower() in _OTHER]
