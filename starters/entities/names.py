"""Names to build sentences with: written for this project, so that they are free; many are made up of syllables."""

import random


def _listed(names: str) -> list[str]:
    return names.split("|")


FIRST = _listed(
    "Anna|Maria|John|Peter|Sofia|David|Laura|Michael|Elena|Thomas|Julia|Daniel|Sarah|Robert|Emma|James|Olga|Ivan|"
    "Mei|Wei|Yuki|Hiroshi|Fatima|Omar|Amina|Hassan|Priya|Raj|Anil|Kofi|Ama|Chidi|Ngozi|Lars|Ingrid|Bjorn|Carlos|"
    "Pedro|Lucia|Diego|Isabel|Marco|Giulia|Paolo|Pierre|Claire|Antoine|Hans|Greta|Karl|Ewa|Piotr|Marta|Tomas|Jana|"
    "Nikos|Eleni|Mehmet|Leila|Aisha|Samuel|Grace|Henry|Alice|Oliver|Charlotte|George|Helen|Frank|Ruth|Martin|Paul|"
    "Linda|Steven|Karen|Kevin|Susan|Mark|Nancy|Brian|Amy|Eric|Rachel|Adam|Victoria|Simon|Nina|Leo|Clara|Hugo|Iris|"
    "Felix|Rosa"
)
LAST = _listed(
    "Smith|Jones|Brown|Taylor|Wilson|Baker|Clark|Walker|Hughes|Green|Murphy|Kelly|Gonzalez|Garcia|Lopez|Fernandez|"
    "Rossi|Bianchi|Ferrari|Dubois|Moreau|Lefevre|Schmidt|Weber|Fischer|Wagner|Becker|Novak|Kowalski|Nowak|Horvat|"
    "Ivanov|Petrov|Popescu|Papadopoulos|Yilmaz|Demir|Haddad|Khan|Patel|Singh|Sharma|Gupta|Chen|Wang|Li|Zhang|Liu|"
    "Tanaka|Suzuki|Sato|Kim|Park|Lee|Nguyen|Tran|Santos|Silva|Costa|Oliveira|Mensah|Okafor|Adeyemi|Mbeki|Nkosi|"
    "Hansen|Larsen|Berg|Lindqvist|Virtanen|Jansen|Visser|Bakker|Keller|Huber|Meier|Cooper|Ward|Turner|Reed|Bell|"
    "Carter|Morgan|Ross|Stone"
)
PLACES = _listed(
    "London|Paris|Berlin|Madrid|Rome|Vienna|Prague|Warsaw|Athens|Lisbon|Dublin|Oslo|Stockholm|Helsinki|Copenhagen|"
    "Amsterdam|Brussels|Geneva|Zurich|Munich|Hamburg|Milan|Naples|Barcelona|Seville|Lyon|Marseille|Moscow|Kyiv|"
    "Istanbul|Ankara|Cairo|Lagos|Nairobi|Accra|Cape Town|Dakar|Tunis|Mumbai|Delhi|Karachi|Dhaka|Bangkok|Hanoi|"
    "Manila|Jakarta|Singapore|Tokyo|Osaka|Seoul|Beijing|Shanghai|Hong Kong|Sydney|Melbourne|Auckland|Toronto|"
    "Vancouver|Montreal|New York|Boston|Chicago|Texas|California|Florida|Seattle|Denver|Mexico City|Havana|Bogota|"
    "Lima|Santiago|Buenos Aires|Rio de Janeiro|Brazil|Argentina|Chile|Peru|Canada|France|Germany|Italy|Spain|"
    "Poland|Norway|Sweden|Finland|Ireland|Scotland|England|Wales|Greece|Turkey|Egypt|Kenya|Ghana|Nigeria|"
    "South Africa|India|China|Japan|South Korea|Vietnam|Indonesia|Australia|New Zealand|the Netherlands|"
    "Switzerland|Austria|Portugal|Ukraine|Russia|Europe|Africa|Asia|the Alps|the Danube|the Nile|Lake Victoria|"
    "Mount Kenya|the Sahara|Sicily|Corsica|Crete|Bavaria|Tuscany|Yorkshire|Bristol|Leeds|Glasgow|Cardiff|Belfast|"
    "San Francisco|Los Angeles|the United States|Washington"
)
KNOWN_ORGANISATIONS = _listed(
    "the United Nations|the European Union|NATO|UNESCO|the World Bank|the Red Cross|NASA|Interpol|Greenpeace|"
    "the BBC|Reuters|Google|Microsoft|Apple|Amazon|Toyota|Siemens|Volkswagen|Samsung|Sony|Nestle|Unilever|Airbus|"
    "Boeing|Ikea|Nokia|Bosch|Shell|Oxfam|the Senate|Parliament|Congress|the Supreme Court|Manchester United|"
    "Real Madrid|Harvard|Oxford University|the Guardian|the New York Times|Greenpeace|"
    "the World Health Organization|the Labour Party"
)
_WORDS = _listed(
    "North|Star|Blue|River|Global|Delta|Summit|Bright|Green|Iron|Pioneer|Atlas|Harbor|Silver|Union|Prime|Nova|Apex"
)
_TRADES = _listed(
    "Steel|Energy|Foods|Motors|Software|Logistics|Pharma|Media|Insurance|Airlines|Textiles|Robotics|Systems"
)
_ENDINGS = _listed("Ltd|Inc.|Corp.|Group|Holdings|GmbH|AG|plc|& Co.|& Sons|Partners|Industries")
_STARTS = _listed("Bar|Kel|Mon|Tar|Vel|Sor|Lin|Dra|Hol|Wes|Nor|Fal|Gre|Pen|Cas|Ros|Mar|Tol|Ash|Bren|Cor|Dun|El|Fen|Gal")
_MIDDLES = _listed("a|e|i|o|u|an|en|in|on|ar|er|or|il|al|")
_PLACE_ENDS = _listed("ville|ton|burg|ford|dale|mouth|stad|grad|pur|abad|field|wick|stead|haven|port|ia|land")
_LAST_ENDS = _listed("son|sen|ski|ova|ez|ini|ert|mann|berg|wood|ley|man|ner|kova|dez|acci|ovic")


def person(chance: random.Random) -> str:
    """A first name, a whole name, or a last one with a title before it that is no part of the name."""
    first, last = chance.choice(FIRST), _last(chance)
    form = chance.random()
    if form < 0.55:
        return f"{first} {last}"
    if form < 0.7:
        return first
    if form < 0.85:
        return last
    if form < 0.93:
        return f"{first} {chance.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
    return f"{first} {last}-{_last(chance)}"


def place(chance: random.Random) -> str:
    """A city, country, region, river or mountain."""
    form = chance.random()
    if form < 0.7:
        return chance.choice(PLACES)
    made = _made(chance, _PLACE_ENDS)
    if form < 0.85:
        return made
    return chance.choice(
        ["{} Street", "{} Bay", "Lake {}", "Mount {}", "North {}", "Port {}", "San {}", "the {} Valley"]
    ).format(made)


def organisation(chance: random.Random) -> str:
    """A company, an authority, a school, a club, an association."""
    form = chance.random()
    name = chance.choice([_last(chance), _made(chance, ["a", "o", "ex", "ix", "co", "tech", "soft", "com"])])
    if form < 0.25:
        return chance.choice(KNOWN_ORGANISATIONS)
    if form < 0.45:
        return f"{name} {chance.choice(_ENDINGS)}"
    if form < 0.6:
        return f"{chance.choice([name, chance.choice(_WORDS)])} {chance.choice(_TRADES)}"
    if form < 0.68:
        return name
    if form < 0.75:
        return "".join(chance.choice("ABCDEFGHIKLMNOPRSTUW") for _ in range(chance.randint(3, 4)))
    return chance.choice([
        "the University of {}", "{} University", "Bank of {}", "the Bank of {}", "{} City Council", "{} United",
        "FC {}",
        "the Ministry of Health", "the Ministry of Finance", "the {} Museum", "the {} Times", "{} General Hospital",
        "the {} Orchestra", "{} Airlines", "{} High School", "the {} Institute", "the {} Chamber of Commerce",
        "the {} Workers Union", "the {} Foundation",
    ]).format(_bare(place(chance)))  # fmt: skip


def _bare(name: str) -> str:
    return name.removeprefix("the ")


def _last(chance: random.Random) -> str:
    return chance.choice(LAST) if chance.random() < 0.6 else _made(chance, _LAST_ENDS)


def _made(chance: random.Random, ends: list[str]) -> str:
    return chance.choice(_STARTS) + chance.choice(_MIDDLES) + chance.choice(ends)
