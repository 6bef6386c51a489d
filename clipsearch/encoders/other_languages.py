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

_GRAMMAR = {
    "German": "am im ins ein und dem zum zur mein meine unser unsere ist",
    "French": "un une les des au aux dans qui mon mes nos ses sur en",
    "Spanish": "un una unos unas por en está",
    "Italian": "un una che il gli nel nella sul",
    "Portuguese": "um uma num numa ao à",
    "Dutch": "het mijn bij aan en",
}
"""Words of grammar that mean something in English or are part of names, as "am", "les" and "che": one alone shows nothing."""

_BESIDE = {
    "German": "der die das den mit kinder kind mann frau strand meer stadt altstadt wald berge hafen garten fenster tisch "
    "buch boot boote auto rotes rote abend nacht nebel regen",
    "French": "la le et du enfant enfants jouent homme femme famille amis gens chat mer lac ciel ville nuit rue jardin table "
    "bateau train gâteau marché",
    "Spanish": "la el los las del con playa mar cielo ciudad noche calle casa coche flores campo parque puerto familia mesa "
    "amigos hombre gato gatos libro torre rojo",
    "Italian": "la le con bambino bambini giocano donna amici famiglia cielo notte città casa strada neve montagne porto "
    "barche cane treno prato tavola rossa",
    "Portuguese": "as os com na praia mar céu cidade noite rua casa carro flores campo família mesa amigos gato porto trem",
    "Dutch": "de van met op in kind stad nacht tafel tuin keuken huis boten lucht boek vrienden familie",
}
"""Words that show a language if one of its words of grammar is there as well: "una playa", "Kinder am Strand"."""

_OTHER = frozenset(" ".join(_WORDS.values()).split())
_PAIRS = tuple((frozenset(grammar.split()), frozenset(_BESIDE[name].split())) for name, grammar in _GRAMMAR.items())

_ENGLISH = frozenset(["the", "of", "with", "and", "are", "from", "front", "this", "that", "on", "by"])
"""Words that make a text English, whatever names are in it."""

_ALSO_ENGLISH = frozenset(["i", "is", "my", "you", "we", "to", "at", "for", "his", "her", "their", "route", "or"])
"""Words that keep words of grammar from showing another language; beside clearer words they are no hindrance."""


def words_of_other_languages(text: str) -> list[str]:
    """The words by which a text shows that it is not English; none for an English text, and if this is not certain."""
    words = [word.strip(".,;:!?\"'()") for word in unicodedata.normalize("NFC", text).split()]
    lower = {word.lower() for word in words}
    if not lower.isdisjoint(_ENGLISH):
        return []
    shown = lower & _OTHER
    if not shown and lower.isdisjoint(_ALSO_ENGLISH):
        pairs = (lower & (grammar | beside) for grammar, beside in _PAIRS if not lower.isdisjoint(grammar))
        shown = next((pair for pair in pairs if len(pair) > 1), shown)
    return [word for word in words if word.lower() in shown]
