"""Boroughs and locations of taxi zones.

The facts are the TLC's: boroughs are those of its zone table, taxi_zone_lookup.csv, under the names
that they have there; places are the middles of the areas in its map of the zones, taxi_zones.shp.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain.events import FIRST_ZONE, LAST_ZONE

FloatArray = NDArray[np.float64]

BOROUGHS: Final = (
    "Unknown",
    "EWR",
    "Manhattan",
    "Bronx",
    "Brooklyn",
    "Queens",
    "Staten Island",
    "N/A",
)
"""EWR is Newark's airport, N/A all that is outside of NYC. Its place here is a borough's number."""

_LETTERS: Final = "UEMXKQRO"
"""One for each borough, in the same order."""
_ZONES: Final = (
    "EQXMRRQQQQKMMKQQKXQXKKRMKKQQKQXXKKKKKQKKMMMRMXXMKM"
    "XKQKKQQXXXKKKQKKKMXQKKQMMKKXMKXQQRKQMMKMKQQXQQKQRM"
    "QQMMMKMKRRKKMMRMQRXMQQKQMXMMQQQQKQQXMQQMMMMMQQXMKK"
    "MMMKKRQMXQMMMMKMXXXMQRQXQRKKQQKXXXXMRKKKQQQMKQQQXX"
    "QMQRQRQXMKMXXRQQKQQXRKQMKQKKMMMMMMXMMMMXXXMMRMXXMX"
    "RQQXKKKQXQMMMUO"
)
"""The borough's letter of the zones 1 to 265."""
_MIDDLES: Final = (
    "9360,1914 10311,1640 10265,2543 9906,2030 9319,1407 9643,1580 10065,2167 10056,2229 "
    "10430,2130 10422,1867 9822,1594 9799,1954 9798,1987 9760,1669 10435,2247 10470,2172 "
    "9981,1912 10146,2554 10600,2074 10158,2518 9888,1584 9856,1623 9368,1603 9938,2315 "
    "9881,1891 9874,1691 10101,1430 10373,1986 9950,1509 10337,1593 10187,2518 10216,2541 "
    "9856,1928 9922,1946 10091,1812 10071,1945 10058,1925 10576,1924 10121,1717 9854,1867 "
    "9977,2323 10006,2374 9938,2244 9193,1308 9848,1988 10446,2487 10118,2463 9871,2170 "
    "9947,1899 9856,2184 10317,2577 9852,1894 10278,2238 9834,1896 9876,1495 10234,2094 "
    "10248,2132 10339,2459 10133,2448 10158,2431 10011,1850 9985,1821 10180,1884 10565,2165 "
    "9881,1926 9882,1951 9804,1650 9843,2119 10078,2422 10207,2174 10015,1740 10058,1770 "
    "10376,2141 10016,2312 9993,2271 10184,1801 10133,1821 10159,2471 9881,2044 10018,1999 "
    "10294,2603 10183,2087 10141,2083 9321,1319 9977,1747 10522,1589 9822,1968 9811,1955 "
    "9951,1717 9851,2097 10037,1675 10317,2166 10283,2092 10120,2519 10265,2022 10199,1932 "
    "9912,1909 10460,2069 9325,1495 9874,2138 10643,2112 10187,1956 9717,1906 9729,1939 "
    "9790,1902 9868,1847 9887,2077 9894,1536 9423,1404 9486,1381 9870,1769 9982,2051 "
    "9858,2062 9850,2046 9599,1644 9985,2406 10427,1558 9473,1530 10047,2445 10036,2477 "
    "10390,2047 10505,1983 9942,1579 10273,1791 9822,2039 10159,2352 10066,2548 10052,2571 "
    "10160,2152 10414,1960 10463,2019 10435,1751 9909,1727 10317,1973 10338,2047 10103,2545 "
    "9908,2090 10193,2214 10552,1861 9968,2182 9954,2187 9894,2211 9877,2220 9851,2019 "
    "9984,2108 10023,2141 10122,2379 9868,2012 9987,1597 9999,1508 9931,2300 9970,2373 "
    "10090,2584 10113,1555 10078,1632 9378,1693 10113,2031 9818,2071 10084,2374 10175,2010 "
    "9904,2154 9919,2150 9905,2178 9884,2120 9962,1655 9948,2342 10113,2408 10073,2334 "
    "10105,2486 9902,2117 10370,2193 9551,1476 10222,2135 10177,2589 10522,2099 9502,1440 "
    "10082,1858 9925,1642 10041,2204 10267,1855 9894,1835 10235,2445 10308,2487 10374,2557 "
    "10245,2506 9863,2120 9452,1682 9988,1793 9932,1862 9929,1803 10559,2000 10354,2103 "
    "10003,2163 10051,2275 9817,1854 10221,2039 10311,1924 10115,1967 10167,2275 10100,2670 "
    "10277,1499 9981,2169 10565,1791 9265,1362 10499,1912 9559,1721 10121,2176 10331,2393 "
    "9832,1976 10008,1550 9838,2030 10203,2409 10235,2373 9605,1531 10422,1923 10343,1857 "
    "9957,1957 10472,1842 10496,1806 10090,2608 9638,1647 10169,1752 10104,2225 9907,2059 "
    "10031,1900 10051,2080 9830,1731 9811,1769 9939,2150 9886,2161 9821,2008 9890,1997 "
    "9924,2125 9869,2090 10075,2499 9962,2236 9938,2193 9917,2277 9902,2249 10169,2652 "
    "10131,2586 10256,2478 10028,2516 10005,2459 9557,1688 9831,2137 10052,2413 10196,2432 "
    "9835,2069 10261,2425 9495,1640 10353,2265 10282,2164 10233,2607 9961,2012 9954,1983 "
    "9904,1774 10242,1902 10251,2665 10102,2104 9806,1976 9991,2220 9978,2230"
)
"""Of the zones 1 to 263, east and north on New York's plane (EPSG:2263), in hundreds of feet; 264
and 265 have none."""
_CORNER: Final = (9000.0, 1000.0)
"""South-west of all of them: what miles are counted from."""
_MILE: Final = 52.8

_NUMBERS: Final = np.array([_LETTERS.index(letter) for letter in f"U{_ZONES}U"], dtype=np.float64)
"""By zone, 0 to 266: the numbers beside the zones are of no known borough."""


def _places() -> FloatArray:
    """By zone, 0 to 266: miles east and north of the corner, and the corner where none is known."""
    known = np.array([middle.split(",") for middle in _MIDDLES.split()], dtype=np.float64)
    places = np.zeros((len(_NUMBERS), 2))
    places[FIRST_ZONE : FIRST_ZONE + len(known)] = (known - _CORNER) / _MILE
    return places


_EAST: Final[FloatArray] = _places()[:, 0].copy()
_NORTH: Final[FloatArray] = _places()[:, 1].copy()


def borough_of(zone: int) -> str:
    """One of `BOROUGHS`; "Unknown" of a number that is no zone."""
    if not FIRST_ZONE <= zone <= LAST_ZONE:
        return BOROUGHS[0]
    return BOROUGHS[_LETTERS.index(_ZONES[zone - FIRST_ZONE])]


def borough_numbers(zones: FloatArray) -> FloatArray:
    """The place in `BOROUGHS` of each zone's borough, shape (n,): 0 of a number that is no zone."""
    return _NUMBERS.take(zones.astype(np.int64), mode="clip")


def miles_east(zones: FloatArray) -> FloatArray:
    """Of a corner south-west of the city, shape (n,): 0 of a zone without a place."""
    return _EAST.take(zones.astype(np.int64), mode="clip")


def miles_north(zones: FloatArray) -> FloatArray:
    """Of a corner south-west of the city, shape (n,): 0 of a zone without a place."""
    return _NORTH.take(zones.astype(np.int64), mode="clip")


def has_place(zones: FloatArray) -> NDArray[np.bool_]:
    """Whether the map shows each zone, shape (n,)."""
    return miles_east(zones) > 0
