"""ISO 4217: which currencies there are, and how many decimals each has."""

_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD"
        " CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP"
        " GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK"
        " LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO"
        " NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS"
        " SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST"
        " XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    # Prices are numeric(18,3): these are refused by name.
    4: "CLF UYW",
}
MAX_DECIMALS = 3

_BY_CODE = {code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()}


# Those whose prices can be kept.
SUPPORTED = sorted(code for code, decimals in _BY_CODE.items() if decimals <= MAX_DECIMALS)


def decimals_of(currency: str) -> int | None:
    """Return how many decimals the currency has, None for a code that ISO 4217 does not list."""
    return _BY_CODE.get(currency)
