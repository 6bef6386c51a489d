"""Usual words that are names of places, too: Man, Nice, Strand; and first names, after which such a name is a surname.

The English ones are from captions of photos; the others are German, French and Spanish words for what photos show. They have
no accents.
"""

from __future__ import annotations

_ENGLISH = (
    "aim airport alley along alter angle ant antlers apples arcade arch archway are area as at auditorium august bag "
    "bale ball bamboo band bangs banjo bank banks bar barber bare barge bark barking barn bat bath battle bay beach "
    "bear bed beer beers bell bend bent best bi big biking bloom bluff bone boot booth boulder boundary bow box bra "
    "brake branch brick bridge bright brilliant brush buffalo bulls bun bush bust but butterfly buy cafe cage camo can "
    "canal cane canoe canyon capri car cardigan care cars cascades cash casino cast cat cathedral cave celebration "
    "center chair change chase chili chin christmas church clay clover coats college collie com come comfort cone "
    "converse cook corral cot cottage couches countryside court crane creek crescent crest cricket crystal cut dad "
    "derby dig dining do dollar dome downtown drain driver drug dry duffel dug eagle ear early earth eastern effort "
    "elbow enter evergreen eye fairway falcon far farmland fell ferns forest fountain free friend from fully furnace "
    "gap gay give god goes gold golden gondola got grabs grass gray green grin grins grove halfway hall hang harbor "
    "hard hat hay heron hill hillside hit holder home hook hooker horn hot hula human hunter hut imperial int is "
    "island jar jersey kissing lab lack lacrosse lakes lakeside landing lavender law lead lens liberty licking lime "
    "limo line lion lit locking log logos lone long loop lot made male man many marathon march marches marina market "
    "marks mars mascot may men metro mill mills mobile mono monster monument mop more moss most mound mounds "
    "mountainside much mud nails name net nice nine no oar of off officer on one or orange oriental over oxford pail "
    "pale pan paper para parachute pasta pawing peer pen perches pet pets petting piano pigeon piles pine pink piste "
    "plain plains plate plaza pole police polo pong pool pop port poses possession post pouch pre pristine progress "
    "puck punch purchase put race rail rain rainbow ran rapids rd reading real receiving red rest rice ridge riding "
    "rifle rise riverbank rivers robe rock rocky rodeo root rose roses rugby run rush sad sale salmon salon salt same "
    "sand sandy sari saris save say scenic see seen sees sells semi set she shepherd shiner shoreline shot side silly "
    "sing sip skatepark ski smile snow so soars soda son song sort spa sparks spike split sport spray spring springs "
    "stains star still stone store strawberry street strong summit sumo sundown sunrise sunset sunshine surprise "
    "swords tall tan tank tape taping tarp tea temple terrace than them time tire to toast tone tongue tool torn tour "
    "tower trail train trainer triangle trim trip trooper tub tube turkey turn tussling tutu union university us "
    "valley van vast vert vie vine vista wade waits wake walker walls wave ways we wed wedding well western wheeler "
    "wheelers whitewater wilderness winner woodland wool yoga young zoo "
)
_OTHERS = (
    "amarillo avion azul bach bad bano barco berg berge blanco boda burg campo castillo cheval cima dorf ende essen "
    "ete fille flores foret grand halle hof hunde iglesia isla jardin keller kinder kuche kuchen lac lago lang luna "
    "mama marche mauer meer mer mesa mitte montagne montana neu nina nuevo oma oro pajaro papa petit pierre plage "
    "playa primavera pueblo puente puerto rand rauch regen rio riviere rosa rot rouge rue salz silla sol stein strand "
    "tal tarde tor tur velo viejo ville vin wald wolken zug "
)

USUAL_WORDS = frozenset((*_ENGLISH.split(), *_OTHERS.split()))

_FIRST_NAMES = (
    "abraham adam alan albert alex alexander alice amanda amy andrea andrew anna anne annie anthony barbara benjamin bob "
    "brian bruce carl carlos carol catherine charles charlie chris christian christina christine christopher claire "
    "daniel daniela david deborah denzel diana donald edward elizabeth ella emily emma eric erik eva felix frank franz "
    "george hannah hans harry heather helen henry hugh isabelle jack jacob jacques james jamie jan jane janet jason jean "
    "jeff jennifer jeremy jesse jessica jim jimmy joan joe john johnny jonathan jose joseph joshua juan julia julian "
    "julie karen karl kate katherine kathy keith kelly kevin klaus kurt larry laura lauren lena leo leonardo linda lisa "
    "louis louise lucas lucy luis luke maria marie mary matt matthew max megan melissa michael michelle miguel mike monica "
    "nancy natalie nicholas nick nicole oliver olivia oscar otto pablo patricia patrick paul paula pedro peter philip rachel "
    "rebecca richard robert roger ronald ryan sally sam samantha samuel sandra sarah scott sean simon sofia sophie stefan "
    "stephanie stephen steve steven susan tamara teresa thomas tim timothy tina tom tommy tony ursula vanessa walter "
    "wendy whitney will william yvonne "
)

FIRST_NAMES = frozenset(_FIRST_NAMES.split())
