"""Units of measurement: parses "cm", "square feet" or "km/h" behind a number."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple


class Unit(NamedTuple):
    """`factor`: how many of the base unit (m, kg, s, A, dollar ...) it is. `dimension`: the powers of the base units.

    What cannot be converted into each other (currencies, scales of temperature, degrees and radians) has dimensions of
    its own, by name; so has a word that may mean several units (see `readings`).
    """

    factor: Fraction
    dimension: tuple[tuple[str, int], ...]


def _of(factor: str | int | Fraction, **powers: int) -> Unit:
    return Unit(Fraction(factor), tuple(sorted(powers.items())))


_PREFIXES = {
    "n": "1e-9",
    "µ": "1e-6",
    "u": "1e-6",
    "m": "1e-3",
    "c": "1e-2",
    "d": "1e-1",
    "k": "1e3",
    "M": "1e6",
    "G": "1e9",
}
_LONG_PREFIXES = {
    "nano": "1e-9",
    "micro": "1e-6",
    "milli": "1e-3",
    "centi": "1e-2",
    "deci": "1e-1",
    "kilo": "1e3",
    "mega": "1e6",
}
_LENGTH = {"length": 1}
_OHM = {"mass": 1, "length": 2, "time": -3, "current": -2}
_JOULE = {"mass": 1, "length": 2, "time": -2}
_SYMBOLS = {  # those that take prefixes
    "m": _of(1, **_LENGTH),
    "g": _of("0.001", mass=1),
    "s": _of(1, time=1),
    "l": _of("0.001", length=3),
    "L": _of("0.001", length=3),
    "N": _of(1, mass=1, length=1, time=-2),
    "J": _of(1, **_JOULE),
    "W": _of(1, mass=1, length=2, time=-3),
    "Pa": _of(1, mass=1, length=-1, time=-2),
    "Hz": _of(1, time=-1),
    "V": _of(1, mass=1, length=2, time=-3, current=-1),
    "A": _of(1, current=1),
    "C": _of(1, current=1, time=1),
    "mol": _of(1, amount=1),
    "eV": _of("1.602176634e-19", **_JOULE),
    "Wh": _of(3600, **_JOULE),
    "cal": _of("4.184", **_JOULE),
    "bar": _of(100_000, mass=1, length=-1, time=-2),
    "ohm": _of(1, **_OHM),
    "Wb": _of(1, mass=1, length=2, time=-2, current=-1),
    # As single letters the next three are variables more often, "kT" is too: see _table.
    "F": _of(1, mass=-1, length=-2, time=4, current=2),
    "H": _of(1, mass=1, length=2, time=-2, current=-2),
    "T": _of(1, mass=1, time=-2, current=-1),
}
_PREFIXES_OF_LETTERS = {"n": "1e-9", "µ": "1e-6", "u": "1e-6", "m": "1e-3"}
_LONG = {"m": "metre meter", "g": "gram gramme", "l": "litre liter", "s": "second", "J": "joule", "W": "watt", "N": "newton",
         "V": "volt", "A": "ampere amp", "Pa": "pascal", "Hz": "hertz", "C": "coulomb", "F": "farad", "H": "henry henrie",
         "T": "tesla",
         "Wb": "weber",
         "ohm": "ohm", "cal": "calorie", "eV": "electronvolt"}  # fmt: skip
_GALLON = _of("0.003785411784", length=3)
_OTHERS = {  # names, `_` for a space or hyphen, with a plural in s where they have one -> unit
    "inch inches in": _of("0.0254", **_LENGTH),
    "ft foot feet": _of("0.3048", **_LENGTH),
    "yd yard": _of("0.9144", **_LENGTH),
    "mi mile": _of("1609.344", **_LENGTH),
    "sec": _of(1, time=1),
    "min minute": _of(60, time=1),
    "h hr hour": _of(3600, time=1),
    "day": _of(86_400, time=1),
    "week": _of(604_800, time=1),
    "month": _of(1, months=1),
    "year yr": _of(12, months=1),
    "stone": _of("6.35029318", mass=1),
    "pound": _of(1, pounds=1),
    "ton": _of(1, tons=1),
    "lb": _of("0.45359237", mass=1),
    "oz ounce": _of("0.028349523125", mass=1),
    "kilohm": _of(1000, **_OHM),
    "tonne metric_ton": _of(1000, mass=1),
    "cc": _of("1e-6", length=3),
    "hectare ha": _of(10_000, length=2),
    "acre": _of("4046.8564224", length=2),
    "short_ton": _of("907.18474", mass=1),
    "long_ton": _of("1016.0469088", mass=1),
    "gallon gal": _GALLON,
    "quart qt": Unit(_GALLON.factor / 4, _GALLON.dimension),
    "pint": Unit(_GALLON.factor / 8, _GALLON.dimension),
    "cup": Unit(_GALLON.factor / 16, _GALLON.dimension),
    "fluid_ounce fl_oz": Unit(_GALLON.factor / 128, _GALLON.dimension),
    "tablespoon tbsp": Unit(_GALLON.factor / 256, _GALLON.dimension),
    "teaspoon tsp": Unit(_GALLON.factor / 768, _GALLON.dimension),
    "atm atmosphere": _of(101_325, mass=1, length=-1, time=-2),
    "bit": _of(1, information=1),
    "byte": _of(8, information=1),
    "kB KB kilobyte": _of(8, information=1, thousands=1),
    "MB megabyte": _of(8, information=1, thousands=2),
    "GB gigabyte": _of(8, information=1, thousands=3),
    "TB terabyte": _of(8, information=1, thousands=4),
    "unit": _of(1, unit=1),
    "light_year": _of(9_460_730_472_580_800, length=1),
    "nautical_mile": _of(1852, length=1),
    "knot": _of(Fraction(1852, 3600), length=1, time=-1),
    "mph": _of("0.44704", length=1, time=-1),
    "kph kmh": _of(Fraction(5, 18), length=1, time=-1),
    "dollar usd": _of(1, dollar=1),
    "cent ¢": _of("0.01", dollar=1),
    "euro eur": _of(1, euro=1),
    "gbp": _of(1, gbp=1),
    "pence": _of("0.01", gbp=1),
    "yen": _of(1, yen=1),
    "rupee": _of(1, rupee=1),
    "degree deg °": _of(1, degree=1),
    "radian rad": _of(1, radian=1),
    "celsius": _of(1, celsius=1),
    "fahrenheit": _of(1, fahrenheit=1),
    "kelvin": _of(1, kelvin=1),
    "am AM": _of(1, am=1),
    "pm PM": _of(1, pm=1),
}
_READINGS = {  # dimension of a word that may mean several units -> these
    "pounds": (_of("0.45359237", mass=1), _of(1, gbp=1)),
    "tons": (_of(1000, mass=1), _of("907.18474", mass=1)),
    "thousands": (_of(1000), _of(1024)),  # of bytes
}
NONE = Unit(Fraction(1), ())
DEGREE = _of(1, degree=1)
RADIAN = _of(1, radian=1)
CELSIUS = _of(1, celsius=1)
FAHRENHEIT = _of(1, fahrenheit=1)


def _table() -> dict[str, Unit]:
    table: dict[str, Unit] = {}
    for symbol, unit in _SYMBOLS.items():
        letter = symbol in ("F", "H", "T")
        table |= {} if letter else {symbol: unit}
        table |= {
            prefix + symbol: Unit(unit.factor * Fraction(times), unit.dimension)
            for prefix, times in (_PREFIXES_OF_LETTERS if letter else _PREFIXES).items()
        }
    for symbol, names in _LONG.items():
        for name in names.split():
            unit = _SYMBOLS[symbol]
            forms = {name: unit} | {
                prefix + name: Unit(unit.factor * Fraction(times), unit.dimension)
                for prefix, times in _LONG_PREFIXES.items()
            }
            table |= forms | {f"{form}s": unit for form, unit in forms.items()}
    for names, unit in _OTHERS.items():
        for name in names.split():
            table[name] = unit
            if len(name) > 1:
                table.setdefault(f"{name}s", unit)
    return table


_TABLE = _table()
_LOWER = {name.lower(): unit for name, unit in _TABLE.items() if len(name) > 2}
_SCALES = {"c": "celsius", "f": "fahrenheit", "celsius": "celsius", "fahrenheit": "fahrenheit"}
_PHRASE = re.compile(r"\s*+(light|nautical|fluid|fl|metric|short|long)\.?[ -]([a-z]++)\.?", re.IGNORECASE)
_TOKEN = re.compile(r"\s*+([A-Za-zµ¢°]++\.?|[/*]|-(?=[A-Za-z])|\^?\s*\{?\s*([-+]?\d)\s*\}?)")
_POWER_WORDS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_POWER_SUFFIXES = {"squared": 2, "cubed": 3}


@lru_cache(maxsize=4096)
def read(words: str) -> tuple[Unit | None, str]:
    """Return the unit that `words` begin with ("cm", "square feet", "km/h away"), None if with none, and the rest."""
    position, rest_at, divides, power, found = 0, 0, False, 1, NONE
    last: Unit | None = None
    for _ in range(12):
        match = _TOKEN.match(words, position)
        if match is None:
            break
        token = match[1].strip().rstrip(".").lower()
        position = match.end()
        if match[2] is not None or token in _POWER_SUFFIXES:
            if last is None:
                break
            # The power replaces the first, which the last unit was taken in.
            found = _times(found, last, int(match[2] or _POWER_SUFFIXES[token]) - 1)
            last = None
        elif token in ("/", "*", "-", "per", "a", "an") and match[1].strip() != "A":
            if found == NONE or divides:
                break
            divides = token not in "*-"
            continue
        elif token in _POWER_WORDS:
            power = _POWER_WORDS[token]
            continue
        else:
            named = _named(words, match.start())
            if named is None:
                break
            unit, position = named
            last = _times(NONE, unit, -1) if divides else unit
            found = _times(found, last, power)
            divides, power = False, 1
        rest_at = position
    return (None, words) if rest_at == 0 else (found, words[rest_at:])


def _named(words: str, position: int) -> tuple[Unit, int] | None:
    """Return the unit whose name begins at `position`, and where the name ends."""
    match = _TOKEN.match(words, position)
    if match is None:
        return None
    phrase = _PHRASE.match(words, position)
    if phrase and f"{phrase[1]}_{phrase[2]}".lower() in _TABLE:
        return _TABLE[f"{phrase[1]}_{phrase[2]}".lower()], phrase.end()
    name = match[1].strip().rstrip(".")
    if name.lower() in ("°", "degree", "degrees", "deg"):
        scale = _TOKEN.match(words, match.end())
        if scale and scale[1].rstrip(".").lower() in _SCALES:
            return _TABLE[_SCALES[scale[1].rstrip(".").lower()]], scale.end()
    if name[:1] == "°" and name[1:].lower() in _SCALES:
        return _TABLE[_SCALES[name[1:].lower()]], match.end()
    if name == "in" and words[match.end() :].strip(" .,)/^{}0123456789"):
        return None  # the preposition
    unit = _TABLE.get(name) or _LOWER.get(name.lower())
    return (unit, match.end()) if unit else None


def readings(unit: Unit) -> list[Unit]:
    """Return the units that a unit's name may mean: mass or money for "pounds", two masses for "tons", else itself."""
    for name, power in unit.dimension:
        if name in _READINGS:
            rest = Unit(unit.factor, tuple(each for each in unit.dimension if each[0] != name))
            return [_times(rest, each, power) for each in _READINGS[name]]
    return [unit]


def factors(one: Unit, other: Unit) -> list[tuple[Fraction, Fraction]]:
    """Return the pairs of factors by which numbers in two units may be compared, none where they say different things."""
    if one.dimension == other.dimension:
        return [(one.factor, other.factor)]
    for a, b in ((one, other), (other, one)):
        if b.dimension == tuple(("length", power) for name, power in a.dimension if name == "unit"):
            return [(Fraction(1), Fraction(1))]  # nothing says how long "a unit" is
    pairs = [(a, b) for a in readings(one) for b in readings(other)]
    return [(a.factor, b.factor) for a, b in pairs if a.dimension == b.dimension]


def _times(one: Unit, other: Unit, power: int) -> Unit:
    powers = dict(one.dimension)
    for name, count in other.dimension:
        powers[name] = powers.get(name, 0) + count * power
    return Unit(
        one.factor * other.factor**power, tuple(sorted((name, count) for name, count in powers.items() if count))
    )
