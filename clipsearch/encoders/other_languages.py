"""Recognise a text in a language with Latin letters other than English, by its most usual words."""

from __future__ import annotations

import unicodedata

_WORDS = {
    "German": "auf ohne über neben zwischen hinter beim und nicht kein keine keinen keinem eine einem einer eines "
    "zwei drei vier fünf viele hund hunde katze katzen pferd pferde vögel mensch menschen leute männer frauen junge jungen "
    "mädchen kindern baum bäume blume blumen wälder wiese gebirge fluss schnee sonne sonnenaufgang sonnenuntergang "
    "strände sandstrand straße häuser kirche brücke fahrrad fahrräder flugzeug schiff geburtstag hochzeit weihnachten",
    "French": "avec dans derrière devant une quatre chien chiens cheval chevaux oiseau oiseaux personnes hommes "
    "filles arbre arbres fleurs forêt montagne montagnes neige ciel plage plages vagues église voiture voitures vélo "
    "vélos bateaux anniversaire mariage noël",
    "Spanish": "sobre debajo detrás delante cuatro perro perros caballo caballos pájaro pájaros gente hombres mujer "
    "mujeres niña niñas niños árbol árboles montaña montañas nieve iglesia coches bicicleta "
    "bicicletas barcos cumpleaños boda",
    "Portuguese": "embaixo atrás dois duas cachorro cachorros cão cães cavalos pássaro pássaros pessoas homem homens mulher "
    "mulheres criança crianças árvore árvores montanha montanhas praias neve igreja carros aniversário casamento",
    "Italian": "senza sotto sopra dietro davanti sulla cani gatto gatti cavalli uccello uccelli persone uomo uomini "
    "ragazzo ragazza albero alberi fiori montagna spiaggia spiagge tramonto chiesa macchina macchine bicicletta "
    "biciclette barche compleanno matrimonio",
    "Dutch": "een zonder niet naast achter tussen drie honden katten paard paarden mensen mannen vrouw vrouwen jongen "
    "meisje meisjes kinderen bomen bloemen sneeuw zonsondergang straat fiets fietsen verjaardag bruiloft",
    "Polish": "plaży plaża góry śnieg dziecko dzieci kobieta kobiety mężczyzna kwiaty drzewo drzewa kościół "
    "samochód urodziny",
    "Turkish": "köpek kedi sahilde dağ dağlar çocuk çocuklar ağaç çiçek çiçekler güneş bisiklet",
    "Scandinavian": "på hunden flicka pojke kvinna jente blommor blomster snö snø träd trær solnedgång solnedgang "
    "födelsedag bursdag bröllop bryllup kyrka",
    "Czech": "kočka dítě děti květiny stromy svatba narozeniny",
    "Indonesian": "anjing kucing pantai gunung dengan pohon",
}
"""What shows that a text is not English. The first six languages have the same words, as far as they qualify:

- words of grammar: prepositions, articles, "and", "or", "not", and the numbers from two;
- the most usual things in photos: people, animals, plants, the land and the weather, streets and vehicles, festivals.

A word qualifies if it means nothing in English ("strand" and "kind" do) and is not part of a well-known name ("sans", "playa").
So "Strand ohne Menschen" is found by two of its three words. A test compares the words with captions, and with names of cities.
"""

_OTHER = frozenset(" ".join(_WORDS.values()).split())

_ENGLISH = frozenset(["the", "of", "with", "and", "are", "from", "front", "this", "that", "on", "by"])
"""Words that make a text English, whatever names are in it."""


def words_of_other_languages(text: str) -> list[str]:
    """The words by which a text shows that it is not English; none for an English text, and if this is not certain."""
    words = [word.strip(".,;:!?\"'()") for word in unicodedata.normalize("NFC", text).split()]
    if any(word.lower() in _ENGLISH for word in words):
        return []
    return [word for word in words if word.lower() in _OTHER]
