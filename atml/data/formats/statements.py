"""What a physician's statements on a whole recording make of it: several of them, in one of several codes.

A recording of ten seconds may be called atrial fibrillation, a bundle branch block and a low voltage at once.
Statements about the rhythm come before those about beats, conduction or disease.

Codes: https://github.com/physionetchallenges/evaluation-2021 (SNOMED CT), ``scp_statements.csv`` of PTB-XL
(SCP-ECG), ``ConditionNames.xlsx`` of the Chapman-Shaoxing set. One that is not listed goes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from atml.data.labelling import Label

UNLABELLED = "unlabelled"
"""The rhythm of a recording without a statement."""

Code = Mapping[str, tuple[str, ...]]
"""Statement -> the names that tasks may know it by, the usual one first; nothing where it is its own name."""

SNOMED_RHYTHMS: Code = {
    "164889003": ("AFIB", "AF"),
    "426749004": ("AFIB", "AF"),  # chronic
    "282825002": ("AFIB", "AF"),  # paroxysmal
    "314208002": ("AFIB", "AF"),  # rapid
    "195080001": ("AFAFL",),  # fibrillation and flutter
    "164890007": ("AFL",),
    "426783006": ("N", "NSR", "SR"),
    "426177001": ("SBR",),
    "427084000": ("STACH",),
    "427393009": ("SARRH",),
    "426761007": ("SVT",),
    "713422000": ("ATACH",),
    "426648003": ("JTACH",),
    "426664006": ("AJR",),
    "426995002": ("JE",),
    "29320008": ("AVJR",),
    "49260003": ("IVR",),
    "61277005": ("AIVR",),
    "164895002": ("VT",),
    "164896001": ("VF", "VFIB"),
    "10370003": ("P",),  # of a pacemaker
    "251268003": ("AP",),
    "195101003": ("WAP",),
    "106068003": ("ARH",),
    "233892002": ("AAR",),
    "233897008": ("AVRT",),
    "251166008": ("AVNRT",),
    "74615001": ("BTS",),
}

SNOMED_OTHERS: Code = {
    "11157007": ("B",),  # ventricular bigeminy
    "251180001": ("T",),  # ventricular trigeminy
    "251173003": ("AB",),
    "427172004": ("PVC",),
    "17338001": ("PVC",),
    "164884008": ("PVC",),
    "284470004": ("PAC",),
    "63593006": ("PAC",),
    "270492004": ("BI",),
    "195042002": ("BII",),
    "54016002": ("BII",),
    "426183003": ("BII",),
    "27885002": ("BIII",),
    "164909002": ("LBBB", "BBB"),
    "59118001": ("RBBB", "BBB"),
    "713427006": ("RBBB", "BBB"),
    "6374002": ("BBB",),
    "195060002": ("PREX",),
    "74390002": ("PREX",),
}

SCP_RHYTHMS: Code = {
    "SR": ("N", "NSR", "SR"),
    "AFIB": ("AFIB", "AF"),
    "AFLT": ("AFL",),
    "STACH": ("STACH",),
    "SARRH": ("SARRH",),
    "SBRAD": ("SBR",),
    "PACE": ("P",),
    "SVTAC": ("SVT",),
    "PSVT": ("SVT",),
    "SVARR": (),
    "BIGU": (),
    "TRIGU": (),
}

SCP_OTHERS: Code = {
    "PVC": ("PVC",),
    "PAC": ("PAC",),
    "1AVB": ("BI",),
    "2AVB": ("BII",),
    "3AVB": ("BIII",),
    "CLBBB": ("LBBB", "BBB"),
    "CRBBB": ("RBBB", "BBB"),
    "WPW": ("PREX",),
}

CHAPMAN_RHYTHMS: Code = {
    "SR": ("N", "NSR", "SR"),
    "AFIB": ("AFIB",),
    "AF": ("AFL",),  # here it is flutter
    "SB": ("SBR",),
    "ST": ("STACH",),
    "SA": ("SARRH",),
    "SI": ("SARRH",),
    "SVT": ("SVT",),
    "AT": ("ATACH",),
    "AVNRT": ("AVNRT",),
    "AVRT": ("AVRT",),
    "SAAWR": ("SAAWR",),
}

CODES: Mapping[str, tuple[Code, Code]] = {
    "SNOMED CT": (SNOMED_RHYTHMS, SNOMED_OTHERS),
    "SCP-ECG": (SCP_RHYTHMS, SCP_OTHERS),
    "Chapman": (CHAPMAN_RHYTHMS, {}),
    "": ({}, {}),
}
"""Name of a code -> its statements about the rhythm, and its other ones; "" is none that is known."""


def decide(statements: Sequence[str], label: Label, code: str = "") -> str:
    """Return the one name that the statements on a recording come to.

    The task is asked about the rhythms first: where it knows one of them it has to know all of them, and all
    have to be of one class. Else it is asked about the other statements, of which those that it knows have to
    be of one class. Where they are not, or it knows none, the name is all of them, joined by "+", which a
    task does not know, so that the recording is left out. A known statement goes by the first of its names
    that the task knows.

    Example:
        >>> task = {"AFIB": 1, "N": 0, "BBB": 0}.get
        >>> decide(["164889003", "713427006"], task, "SNOMED CT")
        'AFIB'
        >>> decide(["164889003", "426783006"], task, "SNOMED CT")
        'AFIB+N'
    """
    rhythms, others = CODES[code]
    said = list(dict.fromkeys(statement.strip() for statement in statements if statement.strip()))
    if not said:
        return UNLABELLED
    first = [statement for statement in said if statement in rhythms]
    rest = [statement for statement in said if statement not in rhythms]
    for part, known, strict in ((first, rhythms, True), (rest, others, False)):
        named = {_name(statement, known, label): None for statement in part}
        classes = {name: label(name) for name in named}
        if all(of is None for of in classes.values()):
            continue
        if not strict:
            classes = {name: of for name, of in classes.items() if of is not None}
        return next(iter(classes)) if len(set(classes.values())) == 1 else "+".join(sorted(classes))
    named = {_name(statement, rhythms if first else others, label): None for statement in first or rest}
    return "+".join(sorted(named))


def _name(statement: str, code: Code, label: Label) -> str:
    """Return the name of a statement that the task knows, or the usual one."""
    if code is CHAPMAN_RHYTHMS and statement in code:
        names = code[statement]  # its own "AF" means something else to everybody
    else:
        names = (*code.get(statement, ()), statement)
    return next((name for name in names if label(name) is not None), names[0])
